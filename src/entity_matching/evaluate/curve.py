"""Precision and recall over the ranking by confidence: accept what is at least so sure, and see."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from entity_matching.evaluate.outcomes import Floats, Outcomes


@dataclass(frozen=True)
class Point:
    """One operating point: accept every best candidate whose confidence is at least ``threshold``.

    All values are shares, 0 to 1. ``precision``: of the accepted, those that are right. ``recall``: of the
    records with a counterpart, those accepted and right. ``accepted``: of all records, those accepted.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    accepted: float

    def to_dict(self) -> dict[str, float]:
        """Return the values by name."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Curve:
    """The operating points at every distinct confidence, arrays of shape (points,), thresholds falling."""

    threshold: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    accepted: Floats

    @classmethod
    def of(cls, outcomes: Outcomes) -> Curve | None:
        """Return the curve, or ``None`` if no record has a counterpart or none a candidate."""
        from sklearn.metrics import precision_recall_curve  # noqa: PLC0415 - heavy

        asserted, with_truth = outcomes.asserted, int(outcomes.has_truth.sum())
        if not asserted.any() or not with_truth:
            return None
        right, confidence = outcomes.right[asserted], outcomes.confidence[asserted]
        if right.any():
            # scikit-learn's recall counts the right candidates there are; ours the records with a counterpart.
            precision, found, threshold = precision_recall_curve(right, confidence)
            precision, recall = precision[:-1], found[:-1] * right.sum() / with_truth
        else:
            threshold = np.unique(confidence)
            precision = recall = np.zeros(len(threshold))
        total = precision + recall
        f1 = np.divide(2 * precision * recall, total, out=np.zeros(len(total)), where=total > 0)
        below = np.searchsorted(np.sort(confidence), threshold, side="left")
        accepted = (len(confidence) - below) / len(outcomes)
        return cls(
            *(np.asarray(values, dtype=np.float64)[::-1] for values in (threshold, precision, recall, f1, accepted))
        )

    def best(self) -> Point:
        """Return the point of the highest F1; of equals, the one with the highest threshold."""
        return self._point(int(np.argmax(self.f1)))

    def recall_at(self, precision: float) -> float:
        """Return the highest recall at a precision of at least ``precision``; 0 if none is that precise."""
        reached = self.precision >= precision - 1e-12  # 49 of 50 is 0.98, whatever the last bit says
        return float(self.recall[reached].max(initial=0.0))

    def _point(self, index: int) -> Point:
        values = (self.threshold, self.precision, self.recall, self.f1, self.accepted)
        return Point(*(float(value[index]) for value in values))
