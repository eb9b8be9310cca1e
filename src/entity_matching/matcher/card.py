"""The model card's figures: how good the decisions on held-out records are, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from entity_matching.matcher.decide import Thresholds
from entity_matching.matcher.outcomes import Outcomes

RESAMPLES = 500
LEVEL = 0.95
"""Of the intervals."""
BINS = 10
"""Of the calibration error."""

Rows = NDArray[np.int64]


def held_out_quality(outcomes: Outcomes, thresholds: Thresholds, seed: int) -> dict[str, Any]:
    """Return precision, recall and F1 of the automatic matches, and the calibration error, on held-out records.

    The thresholds were derived on the same records, so this flatters a little; ``entity-matching evaluate``
    derives them inside the folds. Intervals are 95% percentile bootstraps over records (Efron 1979).

    :returns: ``records``, ``with_counterpart``, and of each figure ``value``, ``low`` and ``high`` (``None`` where
        it is undefined), ready for JSON.
    """
    accepted = outcomes.confidence >= thresholds.match
    right = accepted & outcomes.right

    def precision(rows: Rows) -> float:
        return _ratio(right[rows].sum(), accepted[rows].sum())

    def recall(rows: Rows) -> float:
        return _ratio(right[rows].sum(), outcomes.has_truth[rows].sum())

    def f1(rows: Rows) -> float:
        return _ratio(2 * right[rows].sum(), accepted[rows].sum() + outcomes.has_truth[rows].sum())

    def calibration_error(rows: Rows) -> float:
        confidence, hits = outcomes.confidence[rows], outcomes.right[rows]
        bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
        gaps = np.bincount(bins, hits - confidence, BINS)
        return _ratio(np.abs(gaps).sum(), len(rows))

    figures = {"precision": precision, "recall": recall, "f1": f1, "calibration_error": calibration_error}
    return {
        "records": len(outcomes.confidence),
        "with_counterpart": int(outcomes.has_truth.sum()),
        **{name: _with_interval(figure, len(accepted), seed) for name, figure in figures.items()},
    }


def _with_interval(figure: Callable[[Rows], float], size: int, seed: int) -> dict[str, float | None]:
    rows = np.arange(size)
    value = figure(rows) if size else float("nan")
    if size < 2 or np.isnan(value):
        return {"value": None if np.isnan(value) else round(value, 4), "low": None, "high": None}
    rng = np.random.default_rng(seed)
    drawn = np.array([figure(rng.integers(size, size=size)) for _ in range(RESAMPLES)])
    drawn = drawn[~np.isnan(drawn)]  # a figure may be undefined on a draw, e.g. one without any match
    ends = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)]) if len(drawn) else np.full(2, value)
    low, high = (round(float(end), 4) for end in ends)
    return {"value": round(value, 4), "low": low, "high": high}


def _ratio(above: Any, below: Any) -> float:
    return float(above) / float(below) if below else float("nan")
