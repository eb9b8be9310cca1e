"""Candidates of each record in the order of their probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pairs = NDArray[np.int64]


def ranked(record: NDArray[np.integer], probability: NDArray[np.float64]) -> Pairs:
    """Return the pairs record by record, the most probable first; equal ones keep their order.

    :param record: number of each pair's record, shape (pairs,).
    :param probability: of each pair, shape (pairs,).
    """
    return np.lexsort((-probability, record)).astype(np.int64)


def exclusive(record: NDArray[np.integer], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make room for the rivals: at most one candidate of a record is right, so together they get at most 1.

    :param record: number of each pair's record, ascending, shape (pairs,).
    :param probability: of each pair, seen for itself, 0 to 1, shape (pairs,).
    :returns: ``p / max(1, sum of p over the record's candidates)``; the order within a record stays.
    """
    if not len(record):
        return probability
    starts = np.flatnonzero(np.r_[True, record[1:] != record[:-1]])
    sums = np.add.reduceat(probability, starts)
    lengths = np.diff(np.r_[starts, len(record)])
    return np.asarray(probability / np.repeat(np.maximum(sums, 1.0), lengths), dtype=np.float64)


def best_of_each(record: NDArray[np.integer], probability: NDArray[np.float64], records: int) -> Pairs:
    """Return the most probable pair of each record, -1 for a record without candidates.

    :param records: how many records there are.
    """
    order = ranked(record, probability)
    best = np.full(records, -1, dtype=np.int64)
    ordered = record[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else np.zeros(0, dtype=np.int64)
    best[ordered[first]] = order[first]
    return best


def best_rival(record: NDArray[np.integer], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the highest score among the other pairs of each pair's record, NaN if there is none.

    :param record: number of each pair's record, in any order, shape (pairs,).
    :param score: of each pair, NaN where there is none, shape (pairs,).
    """
    filled = np.where(np.isnan(score), -np.inf, score)
    order = np.lexsort((-filled, record))
    first = np.r_[True, record[order][1:] != record[order][:-1]] if len(order) else np.zeros(0, dtype=bool)
    starts = np.flatnonzero(first)
    lengths = np.diff(np.r_[starts, len(order)])
    descending = filled[order]
    best = np.repeat(descending[starts], lengths)
    second_at = np.minimum(starts + 1, max(len(order) - 1, 0))
    second = np.repeat(np.where(lengths > 1, descending[second_at], -np.inf), lengths)
    rival = np.empty(len(score))
    rival[order] = np.where(first, second, best)
    return np.where(np.isinf(rival), np.nan, rival)
