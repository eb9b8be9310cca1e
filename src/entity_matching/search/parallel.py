"""Work on several parts at once, with the results in the order of the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def ordered_map(function: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """Return ``function`` of each item; numpy and scipy let go of the interpreter, so threads are enough.

    :param threads: how many items are worked on at once; the results do not depend on it.
    """
    given = list(items)
    if threads <= 1 or len(given) <= 1:
        return [function(item) for item in given]
    with ThreadPoolExecutor(min(threads, len(given))) as pool:
        return list(pool.map(function, given))
