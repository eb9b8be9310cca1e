"""How good a match is, measured against labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from entity_matching.errors import InputError, SettingsError
from entity_matching.evaluate import bootstrap
from entity_matching.evaluate.bootstrap import Estimate, Measure
from entity_matching.evaluate.curve import Curve, Point
from entity_matching.evaluate.decisions import Band, band_of, count_decisions, rates
from entity_matching.evaluate.outcomes import Booleans, Floats, Integers, Outcomes, join_outcomes, texts
from entity_matching.evaluate.reliability import (
    Bin,
    brier_score,
    calibration_error,
    equal_mass,
    equal_width,
    reliability,
)
from entity_matching.evaluate.slices import Slice, slices_of

RANKS = (1, 5, 10, 50)
PRECISIONS = (0.98, 0.99)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The quality of a match. Shares are 0 to 1; a figure that is undefined is ``None``, never NaN.

    ``records``: source records with a label; every figure is about these. ``precision``, ``recall``, ``f1``:
    of the decisions taken. ``best``: the threshold of the best F1, chosen on these very records, so
    a bound and not a promise. ``recall_at_precision``: the highest recall that the ranking by confidence
    allows at that precision. ``candidate_recall``: share of the records with a counterpart that have it
    among the first so many candidates listed; ``listed`` is the length of the longest list.
    ``ece``, ``ece_equal_mass``, ``brier``: calibration of the best candidate's confidence, lower is
    better. ``review``: share sent to review. ``match_threshold``, ``review_threshold``: the least confidence
    of a record accepted by its score, and of one sent to review. ``details``: whatever else a report should
    say of the matcher.
    """

    records: int
    with_counterpart: int
    unlabelled: int
    unknown: int
    counts: Mapping[str, int]
    precision: Estimate
    recall: Estimate
    f1: Estimate
    best: Point | None
    best_f1: Estimate
    recall_at_precision: Mapping[float, Estimate]
    candidate_recall: Mapping[int, Estimate]
    listed: int
    ece: Estimate
    ece_equal_mass: Estimate
    brier: Estimate
    review: Estimate
    bands: tuple[Band, ...]
    bins: tuple[Bin, ...]
    slices: Mapping[str, tuple[Slice, ...]]
    match_threshold: float | None
    review_threshold: float | None
    target_precision: float
    draws: int
    seed: int
    outcomes: Outcomes = field(repr=False)
    curve: Curve | None = field(repr=False)
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def with_details(self, details: Mapping[str, Any]) -> Evaluation:
        """Return the same evaluation with what ``Matcher.describe()`` says of the matcher."""
        return replace(self, details=dict(details))

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, ready for JSON; neither the records nor the curve."""
        estimates = ("precision", "recall", "f1", "best_f1", "ece", "ece_equal_mass", "brier", "review")
        plain = (
            "records", "with_counterpart", "unlabelled", "unknown", "listed", "match_threshold", "review_threshold",
            "target_precision", "draws", "seed",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in plain},
            "counts": dict(self.counts),
            **{name: getattr(self, name).to_dict() for name in estimates},
            "best": self.best.to_dict() if self.best else None,
            "recall_at_precision": {str(at): value.to_dict() for at, value in self.recall_at_precision.items()},
            "candidate_recall": {str(at): value.to_dict() for at, value in self.candidate_recall.items()},
            "bands": [band.to_dict() for band in self.bands],
            "bins": [each.to_dict() for each in self.bins],
            "slices": {name: [each.to_dict() for each in slices] for name, slices in self.slices.items()},
            "details": dict(self.details),
        }


def evaluate_matches(
    result: Any,
    labels: Any,
    *,
    target_precision: float = 0.98,
    seed: int = 0,
    draws: int = 1_000,
    columns: Mapping[str, Sequence[Any]] | None = None,
    seen: Collection[str] | None = None,
    slice_values: int = 15,
) -> Evaluation:
    """Measure the result of a match against labels.

    :param result: the table that ``match`` returns (anything with ``__arrow_c_stream__`` will do).
    :param labels: columns ``source_key`` and ``reference_key`` (null or "": the record has no counterpart).
        Result rows without a label are left out, and counted.
    :param target_precision: the precision at which recall is given, beside 0.98 and 0.99; above 0, at most 1.
    :param seed: of the bootstrap.
    :param draws: of the bootstrap, by source record; 0 for no intervals.
    :param columns: values to slice by, one per row of the result, under the slice's name.
    :param seen: reference keys that the matcher was trained on; records with a counterpart are then
        sliced by whether theirs is one of them.
    :param slice_values: values of a slice that get a line of their own, the most frequent ones; the others share one.
    :return: the figures.
    :raises InputError: if the result lacks a column, holds a key twice, or a slice has another length.
    :raises LabelsError: if labels contradict each other, or none fits the result.
    :raises SettingsError: if ``target_precision`` or ``draws`` is out of range.
    """
    if not 0 < target_precision <= 1:
        raise SettingsError(
            f"The target precision is {target_precision!r}; expected a share above 0, at most 1.",
            remedy="Correct the setting.",
        )
    if draws < 0:
        raise SettingsError(f"The bootstrap's draws are {draws!r}; expected 0 or more.", remedy="Correct the setting.")
    outcomes = join_outcomes(result, labels)
    curve = Curve.of(outcomes)
    assigned = _bins(outcomes)
    figures = _figures(outcomes, curve, assigned, target_precision, draws, seed)
    asserted = outcomes.asserted
    precisions = sorted({*PRECISIONS, target_precision})
    return Evaluation(
        records=len(outcomes),
        with_counterpart=int(outcomes.has_truth.sum()),
        unlabelled=outcomes.unlabelled,
        unknown=outcomes.unknown,
        counts=count_decisions(outcomes),
        precision=figures["precision"],
        recall=figures["recall"],
        f1=figures["f1"],
        best=curve.best() if curve else None,
        best_f1=figures["best_f1"],
        recall_at_precision={at: figures[f"recall_at_{at}"] for at in precisions},
        candidate_recall={at: figures[f"candidates_{at}"] for at in RANKS},
        listed=outcomes.listed,
        ece=figures["ece"],
        ece_equal_mass=figures["ece_equal_mass"],
        brier=figures["brier"],
        review=figures["review"],
        bands=tuple(band_of(outcomes, decision) for decision in ("match", "review", "no_match")),
        bins=reliability(outcomes.confidence[asserted], outcomes.right[asserted], assigned["ece"][asserted]),
        slices=_slices(outcomes, columns or {}, seen, slice_values),
        match_threshold=_least(outcomes, "match"),
        review_threshold=_least(outcomes, "review"),
        target_precision=target_precision,
        draws=draws,
        seed=seed,
        outcomes=outcomes,
        curve=curve,
    )


def _figures(
    outcomes: Outcomes, curve: Curve | None, assigned: Mapping[str, Integers], target: float, draws: int, seed: int
) -> dict[str, Estimate]:
    accepted, right, truth, asserted = outcomes.accepted, outcomes.right, outcomes.has_truth, outcomes.asserted
    confidence, everyone = outcomes.confidence, np.ones(len(outcomes), dtype=bool)
    precision, recall, f1 = rates(outcomes)
    values: dict[str, float | None] = {"precision": precision, "recall": recall, "f1": f1, "best_f1": None}
    measures: dict[str, Measure] = {
        "precision": bootstrap.share(accepted & right, accepted),
        "recall": bootstrap.share(accepted & right, truth),
        "f1": bootstrap.ratio(_double(accepted & right), accepted.astype(np.float64) + truth),
    }
    if curve is not None:
        best = curve.best()
        taken = asserted & (confidence >= best.threshold)
        values["best_f1"] = best.f1
        measures["best_f1"] = bootstrap.ratio(_double(taken & right), taken.astype(np.float64) + truth)
    for at in sorted({*PRECISIONS, target}):
        values[f"recall_at_{at}"] = curve.recall_at(at) if curve else (0.0 if truth.any() else None)
        measures[f"recall_at_{at}"] = bootstrap.recall_at(at, confidence, right, truth, asserted)
    for at in RANKS:
        found = truth & (outcomes.rank > 0) & (outcomes.rank <= at)
        values[f"candidates_{at}"] = float(found.sum() / truth.sum()) if truth.any() else None
        measures[f"candidates_{at}"] = bootstrap.share(found, truth)
    for name, bins in assigned.items():
        values[name] = calibration_error(reliability(confidence[asserted], right[asserted], bins[asserted]))
        measures[name] = bootstrap.calibration(confidence, right, bins, asserted)
    values["brier"] = brier_score(confidence[asserted], right[asserted])
    measures["brier"] = bootstrap.ratio(asserted * (confidence - right) ** 2, asserted.astype(np.float64))
    review = np.asarray(outcomes.decision == "review", dtype=bool)
    values["review"] = float(review.mean())
    measures["review"] = bootstrap.share(review, everyone)
    return bootstrap.estimate(values, measures, len(outcomes), draws=draws, seed=seed, centred=list(assigned))


def _double(inside: Booleans) -> Floats:
    return 2 * inside.astype(np.float64)


def _bins(outcomes: Outcomes) -> dict[str, Integers]:
    """Return each record's bin, by the two ways; records without a candidate are in none and stay at 0."""
    asserted = outcomes.asserted
    found = {}
    for name, assign in (("ece", equal_width), ("ece_equal_mass", equal_mass)):
        bins = np.zeros(len(outcomes), dtype=np.int64)
        bins[asserted] = assign(outcomes.confidence[asserted])
        found[name] = bins
    return found


def _slices(
    outcomes: Outcomes, columns: Mapping[str, Sequence[Any]], seen: Collection[str] | None, limit: int
) -> dict[str, tuple[Slice, ...]]:
    slices = {"method": slices_of(outcomes, outcomes.method, name="method", limit=limit)}
    rows = len(outcomes) + outcomes.unlabelled
    for name, values in columns.items():
        if len(values) != rows:
            raise InputError(
                f"there are {len(values):,} values for {rows:,} records.",
                column=name,
                remedy="Give one value per row of the result, in its order.",
            )
        column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
        slices[name] = slices_of(outcomes, texts(column)[outcomes.row], name=name, limit=limit)
    if seen is not None:
        known = np.isin(outcomes.true.astype(str), list(seen))
        groups = np.where(known, "seen in training", "not seen").astype(object)
        groups[~outcomes.has_truth] = "no counterpart"
        slices["entity"] = slices_of(outcomes, groups, name="entity", limit=limit)
    return slices


def _least(outcomes: Outcomes, decision: str) -> float | None:
    # What the exact stage decided says nothing about a threshold.
    inside = (outcomes.decision == decision) & ~np.isin(outcomes.method.astype(str), ["identifier", "exact_name"])
    return float(outcomes.confidence[inside].min()) if inside.any() else None
