"""The decision: match, review or no match, by two thresholds that are derived, not guessed."""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entity_matching.config import DecisionSettings

log = logging.getLogger(__name__)


LIKELIER = 0.5
"""Confidence below which a candidate is likelier wrong than right, and so never accepted, however few the labels
and however high their precision."""
WORTH_A_LOOK = 0.5
"""Share of the match threshold from which a candidate goes to review even if no true match was seen that low:
a few hundred labels cannot show that there are none."""


class Decision(enum.StrEnum):
    """What is decided of a source record."""

    MATCH = "match"
    REVIEW = "review"
    NO_MATCH = "no_match"


@dataclass(frozen=True)
class Thresholds:
    """Confidence, 0 to 1, from which a candidate is accepted, and below which none is worth a look.

    ``best_f1`` is the confidence from which accepting gives the best F1: half of the best F1 that the records
    they were derived from allow (Lipton, Elkan and Narayanaswamy 2014), which varies less than the place where
    that best F1 was seen. It is for comparison with other matchers, not used to decide.
    """

    match: float
    review: float
    best_f1: float

    @classmethod
    def derive(
        cls,
        confidence: NDArray[np.float64],
        right: NDArray[np.bool_],
        has_truth: NDArray[np.bool_],
        settings: DecisionSettings,
    ) -> Thresholds:
        """Derive the thresholds from records whose truth is known and that no model was trained on.

        :param confidence: of each record's best candidate, shape (records,).
        :param right: whether that candidate is the record's true counterpart.
        :param has_truth: whether the record has a counterpart at all.
        :returns: ``match`` is the lowest confidence from which the share of right ones is at least the
            target precision, but at least :data:`LIKELIER`; if none is, the target itself (a calibrated
            confidence is the expected precision). ``review`` is the confidence that the wanted share of true
            matches reaches, but at most :data:`WORTH_A_LOOK` of ``match``.
        """
        order = np.argsort(-confidence, kind="stable")
        ordered, hits = confidence[order], np.cumsum(right[order])
        accepted = np.arange(1, len(order) + 1)
        # only where the next confidence differs can a threshold stand
        ends = np.r_[np.diff(ordered) < 0, True] if len(order) else np.zeros(0, dtype=bool)
        good = ends & (hits >= settings.target_precision * accepted)
        match = _below(ordered, int(np.flatnonzero(good)[-1])) if good.any() else settings.target_precision
        match = max(match, LIKELIER)
        if not good.any():
            log.info("no confidence was right as often as the target %g; it is taken as it is", match)
        true_matches = confidence[right]
        # a value that occurs, not one between two: else one true match more would fall below it
        lost = 1 - settings.kept_share
        review = float(np.quantile(true_matches, lost, method="lower")) if len(true_matches) else 0.0
        f1 = 2 * hits / (accepted + max(1, int(has_truth.sum())))
        best_f1 = float(f1[ends].max()) / 2 if len(order) else match
        return cls(match, min(review, WORTH_A_LOOK * match), best_f1)

    def decide(self, confidence: NDArray[np.float64]) -> NDArray[np.str_]:
        """Return the decision on each confidence, as strings."""
        return np.where(
            confidence >= self.match,
            Decision.MATCH.value,
            np.where(confidence >= self.review, Decision.REVIEW.value, Decision.NO_MATCH.value),
        )


def _below(ordered: NDArray[np.float64], last: int) -> float:
    """Return a threshold between the last one accepted and the next: halfway, so that neither sits on it."""
    following = ordered[last + 1] if last + 1 < len(ordered) else ordered[last]
    return float((ordered[last] + following) / 2)
