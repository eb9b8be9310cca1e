"""Which pairs a pass over the data sees: every match, and some of the pairs that are none, the hard ones more often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entity_matching.ditto.pairs import RecordPairs

EASY = 0.05
"""Least weight of a pair in the draw: the easiest is still drawn now and then, so that nothing is forgotten."""


@dataclass
class Sampler:
    """Draws the pairs of a pass from one data set.

    ``hardness``: how often each pair is drawn, relative to the others; of shape (pairs,), 0 to 1, higher is harder.
    """

    pairs: RecordPairs
    negatives: float
    hardness: NDArray[np.float64]

    @classmethod
    def of(cls, pairs: RecordPairs, negatives: float) -> Sampler:
        """Start with all pairs equally hard.

        :param negatives: pairs drawn that do not match, per match.
        """
        return cls(pairs, negatives, np.ones(len(pairs)))

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the numbers of the pairs of one pass, in a random order; none is there twice."""
        matches = np.flatnonzero(self.pairs.matches)
        others = np.flatnonzero(~self.pairs.matches)
        wanted = min(len(others), max(1, round(self.negatives * len(matches))))
        weight = np.maximum(self.hardness[others], EASY)
        # the largest of u^(1/w) are a weighted draw without replacement (Efraimidis and Spirakis 2006)
        keys = np.log(rng.random(len(others))) / weight
        drawn = others[np.argsort(-keys, kind="stable")[:wanted]]
        return rng.permutation(np.concatenate([matches, drawn]))

    def pool(self, per_match: float, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return numbers of pairs that do not match, to be scored anew: at most ``per_match`` per match."""
        others = np.flatnonzero(~self.pairs.matches)
        most = max(1, round(per_match * int(self.pairs.matches.sum())))
        return others if len(others) <= most else np.sort(rng.choice(others, most, replace=False))

    def mine(self, scored: NDArray[np.int64], probability: NDArray[np.float64]) -> None:
        """Take what the model says of pairs that do not match: the likelier a match, the harder.

        :param probability: of each of the ``scored`` pairs, 0 to 1; pairs not scored get the mean hardness.
        """
        hardness = np.sqrt(probability)  # flatter, so that not only the mislabelled come back
        self.hardness = np.full(len(self.pairs), float(hardness.mean()) if len(hardness) else 1.0)
        self.hardness[scored] = hardness
