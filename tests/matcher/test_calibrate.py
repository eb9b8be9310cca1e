"""Calibration of raw probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.matcher.calibrate import Calibration, expit, logit

Floats = npt.NDArray[np.float64]


def _drawn(probability: Floats, seed: int = 0) -> npt.NDArray[np.bool_]:
    """Draw what is right with the given probabilities."""
    return np.random.default_rng(seed).random(len(probability)) < probability


def test_log_odds_and_probabilities_undo_each_other() -> None:
    probability = np.linspace(0.01, 0.99, 50)
    assert expit(logit(probability)) == pytest.approx(probability)


def test_log_odds_of_certainty_are_finite() -> None:
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()
    assert logit(np.array([0.5]))[0] == 0


def test_overconfident_scores_are_brought_to_the_share_that_is_right() -> None:
    true = np.random.default_rng(1).uniform(0.02, 0.98, 4000)
    raw = expit(3 * logit(true) + 1)  # too sure of itself, and too hopeful
    calibrated = Calibration.fit(raw, _drawn(true)).apply(raw)
    assert np.abs(calibrated - true).mean() < 0.02
    assert np.abs(raw - true).mean() > 0.1


def test_calibrated_scores_stay_nearly_as_they_are() -> None:
    true = np.random.default_rng(2).uniform(0.02, 0.98, 4000)
    found = Calibration.fit(true, _drawn(true))
    assert found.slope == pytest.approx(1, abs=0.1)
    assert found.intercept == pytest.approx(0, abs=0.15)


def test_the_mean_of_the_calibrated_scores_is_the_share_that_is_right() -> None:
    raw = np.random.default_rng(3).beta(0.5, 0.5, 1000)
    right = _drawn(raw**2)
    assert Calibration.fit(raw, right).apply(raw).mean() == pytest.approx(right.mean(), abs=0.01)


@pytest.mark.parametrize("right", [True, False])
def test_with_one_class_only_nothing_is_learnt(right: bool) -> None:
    raw = np.array([0.2, 0.9])
    found = Calibration.fit(raw, np.array([right, right]))
    assert found == Calibration()
    assert found.apply(raw) == pytest.approx(raw)


def test_no_records_teach_nothing() -> None:
    assert Calibration.fit(np.zeros(0), np.zeros(0, dtype=bool)) == Calibration()


@pytest.mark.parametrize("size", [2, 50])
def test_scores_that_separate_perfectly_are_not_taken_for_certain(size: int) -> None:
    raw = np.r_[np.full(size, 0.1), np.full(size, 0.9)]
    calibrated = Calibration.fit(raw, raw > 0.5).apply(raw)
    assert 0 < calibrated.min() < calibrated.max() < 1
    assert calibrated.max() == pytest.approx((size + 1) / (size + 2), abs=0.02)  # Platt's target, not 1


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40),
    st.lists(st.floats(0, 1), max_size=20).map(sorted),
)
def test_order_is_kept_and_values_are_probabilities(seen: list[tuple[float, bool]], scores: list[float]) -> None:
    found = Calibration.fit(np.array([p for p, _ in seen]), np.array([right for _, right in seen], dtype=bool))
    calibrated = found.apply(np.array(scores))
    assert np.isfinite(calibrated).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()
    assert (np.diff(calibrated) >= 0).all()


def test_a_floor_lifts_low_confidence_and_keeps_the_order() -> None:
    lifted = Calibration(floor=0.02).lift(np.array([0.0, 0.5, 1.0]))
    assert lifted.tolist() == pytest.approx([0.02, 0.51, 1.0])
    assert Calibration().lift(np.array([0.3])).tolist() == [0.3]
