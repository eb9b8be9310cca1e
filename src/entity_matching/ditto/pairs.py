"""Labelled pairs of records: what Ditto learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entity_matching.ditto.words import Record
from entity_matching.errors import LabelsError


@dataclass(frozen=True)
class RecordPairs:
    """Pairs of records and whether each is a match.

    ``left``, ``right``: the distinct records. ``pairs``: row in ``left`` and row in ``right`` of each pair,
    shape (pairs, 2). ``matches``: bool, shape (pairs,). ``weight``: how much each pair counts, above 0,
    shape (pairs,). ``name``: of the data set, for messages.
    """

    left: Sequence[Record]
    right: Sequence[Record]
    pairs: NDArray[np.int64]
    matches: NDArray[np.bool_]
    weight: NDArray[np.float32]
    name: str = "pairs"

    @classmethod
    def of(
        cls, left: Sequence[Record], right: Sequence[Record], matches: NDArray[np.bool_], name: str = "pairs"
    ) -> RecordPairs:
        """Make pairs of two lists of records, row by row, each of weight 1."""
        rows = np.arange(len(left), dtype=np.int64)
        return cls(left, right, np.stack([rows, rows], axis=1), matches, np.ones(len(left), np.float32), name)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> RecordPairs:
        """Return some of the pairs, by number or by mask."""
        return RecordPairs(
            self.left, self.right, self.pairs[chosen], self.matches[chosen], self.weight[chosen], self.name
        )

    def thinned(self, negatives: float, rng: np.random.Generator) -> RecordPairs:
        """Return all matches and some of the other pairs, drawn at random, in their order.

        :param negatives: other pairs that stay, per match, at most.
        """
        others = rng.permutation(np.flatnonzero(~self.matches))[: round(negatives * int(self.matches.sum()))]
        return self.take(np.sort(np.concatenate([np.flatnonzero(self.matches), others])))

    def check(self, what: str) -> None:
        """Check that both kinds are there.

        :param what: the pairs' purpose, for the message, e.g. "training".
        :raises LabelsError: if one kind is missing.
        """
        if self.matches.any() and not self.matches.all():
            return
        share = "no match" if not self.matches.any() else "nothing but matches"
        raise LabelsError(
            f"there is {share} among the {len(self):,} {what} pairs of '{self.name}'.",
            remedy="Give pairs that match and pairs that do not: a dozen of each at least, hundreds to learn well.",
        )
