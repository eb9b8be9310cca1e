"""Labelled pairs, without a search: a scorer that says of two records whether they are one.

For labels that come as pairs, and as the floor that a language model on the same pairs must lift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.config import ScorerSettings
from entity_matching.errors import LabelsError
from entity_matching.features import Block, FeatureSpace, Pairs, TextLimits
from entity_matching.matcher.scorer import PairScorer
from entity_matching.normalize import normalize_table
from entity_matching.records import KEY
from entity_matching.schema import Schema, Side


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs of records and whether each is a match.

    ``left`` and ``right``: tables as given, row by row the two records of a pair; the schema's source side is
    the left one. ``matches``: bool, shape (pairs,).
    """

    left: pa.Table
    right: pa.Table
    matches: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Check that the three have the same length.

        :raises LabelsError: if they have not.
        """
        sizes = self.left.num_rows, self.right.num_rows, len(self.matches)
        if len(set(sizes)) > 1:
            raise LabelsError(
                f"expected as many left records as right ones and labels, found {sizes[0]:,}, {sizes[1]:,} and "
                f"{sizes[2]:,}.",
                remedy="Give one row per pair in each.",
            )


@dataclass(frozen=True)
class PairwiseModel:
    """Several scorers that differ in their seed, averaged, and the probability from which a pair is a match."""

    space: FeatureSpace
    scorers: tuple[PairScorer, ...]
    threshold: float

    @classmethod
    def train(
        cls,
        training: LabelledPairs,
        validation: LabelledPairs,
        schema: Schema,
        settings: ScorerSettings | None = None,
        *,
        seed: int = 0,
        bags: int = 3,
    ) -> PairwiseModel:
        """Train on labelled pairs, and choose the threshold that gives the best F1 on others.

        Word weights are learnt from the training pairs' records, each distinct one once.

        :param settings: by default closeness is not held to be monotone: unlike a search's candidates, pairs
            that people labelled hold enough of both kinds to learn from.
        :param bags: scorers to average, at least 1.
        :raises LabelsError: if the training or validation pairs are not of both kinds.
        """
        for pairs, what in ((training, "training"), (validation, "validation")):
            if not pairs.matches.any() or pairs.matches.all():
                share = "no match" if not pairs.matches.any() else "nothing but matches"
                raise LabelsError(
                    f"there is {share} among the {len(pairs.matches):,} {what} pairs.",
                    remedy="Give pairs that match and pairs that do not.",
                )
        settings = settings or ScorerSettings(monotone=False)
        left, right = normalized(training.left, training.right, schema)
        space = FeatureSpace.fit(distinct(left, right), schema, TextLimits(threads=settings.threads))
        block = _compare(space, left, right)
        weights = np.ones(block.rows, dtype=np.float64)
        scorers = tuple(
            PairScorer.train(block.features, block.matrix(), training.matches, weights, settings, seed * bags + bag)
            for bag in range(max(bags, 1))
        )
        model = cls(space, scorers, 0.5)
        scores = model.predict(validation.left, validation.right)
        return cls(space, scorers, best_threshold(scores, validation.matches))

    def predict(self, left: pa.Table, right: pa.Table) -> NDArray[np.float64]:
        """Return the raw probability of each pair being a match, 0 to 1, shape (pairs,).

        :param left: one record per pair, as given; ``right`` the other.
        """
        block = self.compare(left, right)
        return np.asarray(np.mean([scorer.predict(block) for scorer in self.scorers], axis=0), dtype=np.float64)

    def compare(self, left: pa.Table, right: pa.Table) -> Block:
        """Return the features of pairs, for a model that reads them beside its own evidence."""
        return _compare(self.space, *normalized(left, right, self.space.schema))

    def decide(self, left: pa.Table, right: pa.Table) -> NDArray[np.bool_]:
        """Say of each pair whether it is a match, by the threshold."""
        return np.asarray(self.predict(left, right) >= self.threshold, dtype=np.bool_)


def best_threshold(scores: NDArray[np.float64], matches: NDArray[np.bool_]) -> float:
    """Return the score from which accepting gives the best F1, half-way to the next lower score.

    Where all are accepted, it is half-way to 0, or the lowest score if that is below 0.

    :param scores: higher is closer, shape (pairs,).
    :param matches: whether each pair is a match, shape (pairs,), at least one.
    """
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(matches[order])
    f1 = 2 * hits / (np.arange(1, len(ordered) + 1) + int(matches.sum()))
    f1[:-1][ordered[:-1] == ordered[1:]] = -1.0  # equal scores are accepted together
    last = int(np.argmax(f1))
    below = float(ordered[last + 1]) if last + 1 < len(ordered) else min(0.0, float(ordered[last]))
    return (float(ordered[last]) + below) / 2


def half_best_f1(probability: NDArray[np.float64], matches: NDArray[np.bool_]) -> float:
    """Return the threshold that is best for F1 if the probabilities are calibrated: half of the best F1.

    (Lipton, Elkan and Narayanaswamy 2014.) It depends on how good the best F1 is, not on where it was seen, and so
    varies less than :func:`best_threshold` where matches are few.

    :param probability: 0 to 1, shape (pairs,).
    """
    order = np.argsort(-probability, kind="stable")
    ordered, hits = probability[order], np.cumsum(matches[order])
    f1 = 2 * hits / (np.arange(1, len(ordered) + 1) + int(matches.sum()))
    return float(f1[np.r_[np.diff(ordered) < 0, True]].max()) / 2


def normalized(left: pa.Table, right: pa.Table, schema: Schema) -> tuple[pa.Table, pa.Table]:
    """Return both sides of pairs as normalised tables."""
    return (
        normalize_table(left, schema, Side.SOURCE).combine_chunks(),
        normalize_table(right, schema, Side.REFERENCE).combine_chunks(),
    )


def _compare(space: FeatureSpace, left: pa.Table, right: pa.Table) -> Block:
    rows = np.arange(left.num_rows, dtype=np.int64)
    return space.compute(Pairs(left, right, rows, rows))


def distinct(left: pa.Table, right: pa.Table) -> pa.Table:
    """Return the distinct records of both sides, the columns that both have."""
    columns = [name for name in left.column_names if name in right.column_names and name != KEY]
    both = pa.concat_tables([left.select(columns), right.select(columns)])
    return both.group_by(columns, use_threads=False).aggregate([]) if columns else both
