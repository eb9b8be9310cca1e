"""Candidate pairs: which reference records each source record is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]

FUSED = "search"
"""Name of the score that orders the candidates."""


@dataclass(frozen=True)
class Candidates:
    """Pairs of a source row and a reference row, with their scores.

    ``source``: row numbers in the source table, ascending, shape (pairs,). ``reference``: row numbers in
    the reference table, shape (pairs,). ``scores``: one array of shape (pairs,) per searcher, and the
    fused one under ``"search"``; each from 0 to 1, higher is closer. Within a source row the best fused
    score comes first; equal ones are in the order of the reference table.
    """

    source: Rows
    reference: Rows
    scores: dict[str, Scores] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def fused(self) -> Scores:
        """The fused score of each pair, from 0 to 1, higher is closer."""
        return self.scores[FUSED]

    @property
    def rank(self) -> Rows:
        """The place of each pair among those of its source row, counted from 0 (the best)."""
        return rank_in_group(self.source)

    def offsets(self, sources: int) -> npt.NDArray[np.int64]:
        """Return where each source row's pairs begin; row ``i`` has the pairs ``[offsets[i], offsets[i + 1])``.

        :param sources: the number of rows of the source table.
        :return: shape (sources + 1,).
        """
        return np.searchsorted(self.source, np.arange(sources + 1)).astype(np.int64)

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> Candidates:
        """Return the chosen pairs.

        :param chosen: a mask of shape (pairs,), or ascending pair numbers.
        """
        scores = {name: values[chosen] for name, values in self.scores.items()}
        return Candidates(self.source[chosen], self.reference[chosen], scores)

    def best(self, limit: int) -> Candidates:
        """Return the first ``limit`` pairs of each source row."""
        return self.take(self.rank < limit)

    @classmethod
    def concatenate(cls, parts: list[Candidates], names: list[str]) -> Candidates:
        """Join candidates whose source rows follow each other.

        :param names: the score names, for the case that there are no parts.
        """
        if not parts:
            empty = np.empty(0, np.int32)
            return cls(empty, empty.copy(), {name: np.empty(0, np.float32) for name in names})
        return cls(
            np.concatenate([part.source for part in parts]),
            np.concatenate([part.reference for part in parts]),
            {name: np.concatenate([part.scores[name] for part in parts]) for name in names},
        )


def rank_in_group(group: npt.NDArray[np.integer]) -> Rows:
    """Return the place of each element within its run of equal values, counted from 0.

    :param group: ascending values, shape (n,).
    """
    if len(group) == 0:
        return np.empty(0, np.int32)
    first = np.flatnonzero(np.concatenate(([True], group[1:] != group[:-1])))
    lengths = np.diff(np.append(first, len(group)))
    ranks: Rows = (np.arange(len(group)) - np.repeat(first, lengths)).astype(np.int32)
    return ranks


def ranking(source: Rows, reference: Rows, score: Scores) -> npt.NDArray[np.intp]:
    """Return the order of pairs: by source row, best score first, equal scores by reference row.

    Quick where the pairs are nearly in order already.

    :param score: not negative.
    """
    # The bits of floats that are not negative grow with the floats, so that one number holds both.
    key = (source.astype(np.int64) << 32) - score.astype(np.float32, copy=False).view(np.int32)
    order = np.argsort(key, kind="stable")
    key, row = key[order], reference[order]
    tied = key[1:] == key[:-1]
    if np.any(tied & (row[1:] < row[:-1])):
        inside = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        order[inside] = order[inside][np.lexsort((row[inside], key[inside]))]
    return order


def distinct_sorted(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values ascending, each once; for long arrays several times as fast as ``np.unique``."""
    ascending = np.sort(values)
    return ascending[np.append(True, ascending[1:] != ascending[:-1])] if len(values) else ascending
