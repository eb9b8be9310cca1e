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
    :return: item numbers, each in exactly one batch; the batches' order is random.
    """
    result: list[NDArray[np.int64]] = []
    for start in range(0, len(lengths), size * WINDOW):
        window = np.arange(start, min(start + size * WINDOW, len(lengths)))
        ordered = window[np.argsort(lengths[window], kind="stable")]
        result += [ordered[at : at + size] for at in range(0, len(ordered), size)]
    return [result[at] for at in rng.permutation(len(result))]


def parts(lengths: NDArray[np.int64], most_tokens: int, rows: NDArray[np.int64] | None = None) -> Iterator[slice]:
    """Cut a batch into parts of at most so many padded tokens; a longer item is a part of its own.

    :param lengths: tokens of each item of the batch, in its order, shape (items,).
    :param rows: texts of each item, all padded to the part's longest; 1 each, unless stated.
    :return: the parts in their order; together they are the whole batch.
    """
    counts = [1] * len(lengths) if rows is None else rows.tolist()
    start = longest = held = 0
    for at, (length, count) in enumerate(zip(lengths.tolist(), counts, strict=True)):
        longest, held = max(longest, length), held + count
        if at > start and longest * held > most_tokens:
            yield slice(start, at)
            start, longest, held = at, length, count
    if start < len(lengths):
        yield slice(start, len(lengths))
