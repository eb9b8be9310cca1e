"""The gate: whether a new model may take the place of the one in force, by what both say of the same records.

The paired bootstrap (Efron and Tibshirani 1993, chapter 16): records are drawn with replacement, the same for both
models, and the difference of a figure is computed from each draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from entity_matching.errors import SettingsError
from entity_matching.evaluate import bootstrap
from entity_matching.evaluate.bootstrap import Estimate, Measure
from entity_matching.evaluate.curve import Curve
from entity_matching.evaluate.decisions import rates
from entity_matching.evaluate.outcomes import Floats, Outcomes

F1, RECALL = "f1", "recall_at_target"
_WORDS = {F1: "F1", RECALL: "recall at the target precision"}


@dataclass(frozen=True)
class GateRule:
    """How two models are compared.

    ``target_precision``: at which recall is measured, above 0, at most 1. ``max_loss``: so much of a figure may be
    lost by chance, 0 to 1. ``draws``: of the bootstrap, at least 1. ``seed``: of the draws.
    """

    target_precision: float = 0.98
    max_loss: float = 0.02
    draws: int = 2_000
    seed: int = 0


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    ``differences``: the challenger's figure less the champion's, with its 95% interval. ``champion``, ``challenger``:
    the figures of both, 0 to 1; ``None`` where undefined.
    """

    passed: bool
    reason: str
    records: int = 0
    champion: Mapping[str, float | None] | None = None
    challenger: Mapping[str, float | None] | None = None
    differences: Mapping[str, Estimate] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the values, ready for JSON."""
        return {
            "passed": self.passed,
            "reason": self.reason,
            "records": self.records,
            "champion": dict(self.champion or {}),
            "challenger": dict(self.challenger or {}),
            "differences": {name: value.to_dict() for name, value in (self.differences or {}).items()},
        }


def judge(champion: Outcomes, challenger: Outcomes, rule: GateRule) -> Verdict:
    """Compare two models on the same records.

    The challenger is worse if, of either figure, the whole interval of the difference lies below 0, or the figure
    itself is lower by more than ``max_loss``. Everything else passes: equal models do.

    :raises SettingsError: if the outcomes are not of the same records in the same order, with the same truth.
    """
    same = np.array_equal(champion.source_key, challenger.source_key)
    if not same or not np.array_equal(champion.true, challenger.true):
        raise SettingsError("The two models were applied to different records.", remedy="Apply both to the same.")
    before, after = _figures(champion, rule), _figures(challenger, rule)
    values = {
        name: None if before[name] is None or after[name] is None else after[name] - before[name]  # type: ignore[operator]
        for name in before
    }
    first, second = _measures(champion, rule), _measures(challenger, rule)
    measures = {name: _difference(first[name], second[name]) for name in values}
    found = bootstrap.estimate(values, measures, len(champion), draws=rule.draws, seed=rule.seed)
    told = {"records": len(champion), "champion": before, "challenger": after, "differences": found}
    if all(value.value is None for value in found.values()):
        return Verdict(False, "no record to compare the models on has a counterpart", **told)  # type: ignore[arg-type]
    worse = [text for name, value in found.items() if (text := _loss(name, value, rule))]
    if worse:
        return Verdict(False, f"worse than the champion on {len(champion):,} records: {'; '.join(worse)}", **told)  # type: ignore[arg-type]
    moved = ", ".join(f"{_WORDS[name]} {_signed(value)}" for name, value in found.items() if value.value is not None)
    return Verdict(True, f"not worse than the champion on {len(champion):,} records: {moved}", **told)  # type: ignore[arg-type]


def _figures(outcomes: Outcomes, rule: GateRule) -> dict[str, float | None]:
    curve = Curve.of(outcomes)
    recall = curve.recall_at(rule.target_precision) if curve else (0.0 if outcomes.has_truth.any() else None)
    return {F1: rates(outcomes)[2], RECALL: recall}


def _measures(outcomes: Outcomes, rule: GateRule) -> dict[str, Measure]:
    accepted, right, truth = outcomes.accepted, outcomes.right, outcomes.has_truth
    return {
        F1: bootstrap.ratio(2 * (accepted & right).astype(np.float64), accepted.astype(np.float64) + truth),
        RECALL: bootstrap.recall_at(rule.target_precision, outcomes.confidence, right, truth, outcomes.asserted),
    }


def _difference(champion: Measure, challenger: Measure) -> Measure:
    def measure(counts: Floats) -> Floats:
        return challenger(counts) - champion(counts)

    return measure


def _loss(name: str, difference: Estimate, rule: GateRule) -> str:
    """Return in words how much worse a figure is; empty if it is not."""
    if difference.value is None:
        return ""
    if difference.high is not None and difference.high < 0:
        return f"{_WORDS[name]} {_signed(difference)}"
    if difference.value < -rule.max_loss - 1e-12:
        return f"{_WORDS[name]} {_signed(difference)}, more than the {rule.max_loss:g} allowed"
    return ""


def _signed(difference: Estimate) -> str:
    interval = "" if difference.low is None else f" ({difference.low:+.4f} to {difference.high:+.4f})"
    return f"{difference.value:+.4f}{interval}"
