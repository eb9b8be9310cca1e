"""Batches of pairs of like length, and their parts that fit the memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

WINDOW = 50
"""Batches that are sorted by length together: enough for little padding, few enough to keep the order random."""


def batches(lengths: NDArray[np.int64], size: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Deal items, in a random order as they are, into batches of like length.

    :param lengths: tokens of each item, shape (items,).
    :param size: items of a batch.
    :returns: item numbers, each in exactly one batch; the batches' order is random.
    """
    result: list[NDArray[np.int64]] = []
    for start in range(0, len(lengths), size * WINDOW):
        window = np.arange(start, min(start + size * WINDOW, len(lengths)))
        ordered = window[np.argsort(lengths[window], kind="stable")]
        result += [ordered[at : at + size] for at in range(0, len(ordered), size)]
    return [result[at] for at in rng.permutation(len(result))]


def parts(lengths: NDArray[np.int64], most_tokens: int) -> Iterator[slice]:
    """Cut a batch into parts of at most so many padded tokens; a longer item is a part of its own.

    :param lengths: tokens of each item of the batch, in its order.
    """
    start = longest = 0
    for at, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        if at > start and longest * (at + 1 - start) > most_tokens:
            yield slice(start, at)
            start, longest = at, length
    if start < len(lengths):
        yield slice(start, len(lengths))
