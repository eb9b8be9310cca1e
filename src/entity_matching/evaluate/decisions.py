"""The decisions taken, against the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from entity_matching.evaluate.outcomes import Booleans, Outcomes


@dataclass(frozen=True)
class Band:
    """What became of the records of one decision; shares are 0 to 1, ``None`` if there is no record.

    ``right``: share whose best candidate is the right record. ``absent``: share without a counterpart.
    ``precision``: share of which the decision is true: for ``match`` and ``review`` that is ``right``, for
    ``no_match`` it is ``absent``. ``confidence``: their mean.
    """

    decision: str
    records: int
    share: float
    right: float | None
    absent: float | None
    precision: float | None
    confidence: float | None

    def to_dict(self) -> dict[str, str | float | None]:
        """Return the values by name."""
        return asdict(self)


def rates(outcomes: Outcomes, inside: Booleans | None = None) -> tuple[float | None, float | None, float | None]:
    """Return precision, recall and F1 of the decisions taken.

    A record is accepted if its decision is ``match``; accepted and right is a true positive, accepted and
    anything else (another record is the right one, or none is) a false positive. Recall is of the
    records with a counterpart. ``F1 = 2 tp / (accepted + with counterpart)``.

    :param inside: which records to look at, shape (records,); all of them by default.
    :return: each 0 to 1, or ``None``: precision if nothing was accepted, recall and F1 if no record has a counterpart.
    """
    inside = np.ones(len(outcomes), dtype=bool) if inside is None else inside
    accepted, truth = outcomes.accepted & inside, int((outcomes.has_truth & inside).sum())
    taken, correct = int(accepted.sum()), int((accepted & outcomes.right).sum())
    return (
        correct / taken if taken else None,
        correct / truth if truth else None,
        2 * correct / (taken + truth) if truth else None,
    )


def band_of(outcomes: Outcomes, decision: str) -> Band:
    """Return what became of the records of one decision."""
    inside = outcomes.decision == decision
    records = int(inside.sum())
    if not records:
        return Band(decision, 0, 0.0, None, None, None, None)
    right, absent = float(outcomes.right[inside].mean()), float((~outcomes.has_truth[inside]).mean())
    return Band(
        decision,
        records,
        records / len(outcomes),
        right,
        absent,
        absent if decision == "no_match" else right,
        float(outcomes.confidence[inside].mean()),
    )


def count_decisions(outcomes: Outcomes) -> dict[str, int]:
    """Return the number of records by what was decided and what is true."""
    right, truth, decision = outcomes.right, outcomes.has_truth, outcomes.decision
    accepted, refused = outcomes.accepted, decision == "no_match"
    groups = {
        "match": accepted,
        "match_right": accepted & right,
        "match_wrong_record": accepted & truth & ~right,
        "match_no_counterpart": accepted & ~truth,
        "review": decision == "review",
        "no_match": refused,
        "no_match_right": refused & ~truth,
        "no_match_missed": refused & truth,
    }
    return {name: int(np.count_nonzero(group)) for name, group in groups.items()}
