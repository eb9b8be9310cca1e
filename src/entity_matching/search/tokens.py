"""Words of many strings at once, as 64-bit hashes.

Beside each word count its beginnings (``semicond`` meets ``semiconductor``), each two neighbours written as
one (``it way`` meets ``itway``), and the string as a whole, so that a copy is found however common its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from entity_matching.search.candidates import distinct_sorted, rank_in_group
from entity_matching.search.counting import Bytes, Field, Ints, changes, chunks, count_matrix, join
from entity_matching.search.parallel import ordered_map

PREFIXES = (5, 3)
"""Lengths of the word beginnings, in characters, longest first."""

Hashes = npt.NDArray[np.uint64]


def vocabulary(fields: Sequence[Field], threads: int = 1) -> Hashes:
    """Return the hashes of all words (and what counts as one), each once, ascending."""
    parts = [field.strings.slice(start, stop - start) for field in fields for start, stop in chunks([field])]
    found = ordered_map(lambda part: distinct_sorted(_word_hashes(*join(part))[0]), parts, threads)
    return distinct_sorted(np.concatenate([np.empty(0, np.uint64), *found]))


def word_matrix(fields: Sequence[Field], vocabulary: Hashes, spare: int, threads: int = 1) -> sparse.csr_matrix:
    """Return how often each record has each word, dampened as in :func:`count_matrix`.

    :param vocabulary: ascending word hashes, see :func:`vocabulary`.
    :param spare: columns behind those of the vocabulary, on which unknown words are spread.
    :return: float32, shape (records, words + spare), column indices sorted.
    """

    def codes(buffer: Bytes, bounds: Ints) -> tuple[Ints, Ints]:
        hashes, rows = _word_hashes(buffer, bounds)
        if len(vocabulary) == 0:
            return (hashes % np.uint64(spare)).astype(np.int64), rows
        place = np.minimum(np.searchsorted(vocabulary, hashes), len(vocabulary) - 1)
        unknown = len(vocabulary) + (hashes % np.uint64(spare)).astype(np.int64)
        return np.where(vocabulary[place] == hashes, place, unknown), rows

    return count_matrix(fields, len(vocabulary) + spare, codes, threads)


def _word_hashes(buffer: Bytes, bounds: Ints) -> tuple[Hashes, Ints]:
    """Return the hashes of all words (and what counts as one), each with its row."""
    space = buffer == ord(" ")
    inside = ~space
    starts = np.flatnonzero(inside & np.concatenate(([True], space[:-1])))
    if len(starts) == 0:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    lengths = np.flatnonzero(space & np.concatenate(([False], inside[:-1]))) - starts
    row = np.searchsorted(bounds, starts, side="right").astype(np.int64) - 1
    begins = np.cumsum(lengths) - lengths
    place = np.arange(int(lengths.sum())) - np.repeat(begins, lengths)
    # A polynomial modulo 2**64 over random numbers: the chance that two of a million words share a hash is below
    # one in ten million.
    numbers = _numbers()
    powers = np.cumprod(np.full(int(lengths.max()) + 1, 0x9E3779B97F4A7C15, np.uint64))
    values = numbers[buffer[inside]] * powers[place]
    hashes = np.add.reduceat(values, begins)
    neighbours = row[1:] == row[:-1]
    first = np.flatnonzero(changes(row))
    turned = hashes * (2 * rank_in_group(row).astype(np.uint64) + np.uint64(3))  # the order of the words counts
    found = [
        hashes,
        (hashes[:-1] + hashes[1:] * powers[lengths[:-1] - 1])[neighbours],
        np.add.reduceat(turned, first) + numbers[0],
    ]
    rows = [row, row[1:][neighbours], row[first]]
    for size in PREFIXES:
        values[place >= size] = 0
        found.append(np.add.reduceat(values, begins) + numbers[size])
        rows.append(row)
    joined = np.concatenate(found)
    joined ^= joined >> np.uint64(29)
    return joined, np.concatenate(rows)


@cache
def _numbers() -> Hashes:
    """Return a random number for each byte, always the same ones."""
    return np.random.default_rng(20_240).integers(1, 2**63, 256, dtype=np.uint64)
