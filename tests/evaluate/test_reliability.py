from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.evaluate.reliability import (
    brier_score,
    calibration_error,
    equal_mass,
    equal_width,
    reliability,
)


def test_bins_of_equal_width_take_their_lower_end_and_1_goes_to_the_last() -> None:
    confidence = np.array([0.0, 0.09, 0.1, 0.5, 0.99, 1.0])
    assert equal_width(confidence).tolist() == [0, 0, 1, 5, 9, 9]


def test_bins_of_equal_mass_share_the_records_out() -> None:
    assigned = equal_mass(np.linspace(0, 1, 100))
    assert np.bincount(assigned).tolist() == [10] * 10


def test_bins_of_equal_mass_never_part_equal_confidences() -> None:
    confidence = np.array([0.3] * 7 + [0.9] * 13)
    assert len({*zip(confidence.tolist(), equal_mass(confidence).tolist(), strict=True)}) == 2


def test_a_small_case_by_hand() -> None:
    confidence = np.array([0.92, 0.98, 0.14, 0.18])
    right = np.array([True, False, False, False])
    bins = reliability(confidence, right, equal_width(confidence))
    assert [(each.records, each.right) for each in bins] == [(2, 0.0), (2, 0.5)]
    # (2 * |0 - 0.16| + 2 * |0.5 - 0.95|) / 4
    assert calibration_error(bins) == pytest.approx(0.305)
    assert brier_score(confidence, right) == pytest.approx((0.08**2 + 0.98**2 + 0.14**2 + 0.18**2) / 4)


def test_nothing_to_measure_is_none_and_not_zero() -> None:
    nothing = np.zeros(0)
    bins = reliability(nothing, nothing.astype(bool), equal_mass(nothing))
    assert calibration_error(bins) is None
    assert brier_score(nothing, nothing.astype(bool)) is None


@pytest.mark.parametrize("right", [True, False])
def test_brier_of_one_class_only(right: bool) -> None:
    assert brier_score(np.array([0.25, 0.25]), np.array([right, right])) == pytest.approx(0.5625 if right else 0.0625)


@given(st.dictionaries(st.integers(0, 10), st.integers(1, 5), min_size=1))
def test_perfectly_calibrated_bins_have_no_error(tenths: dict[int, int]) -> None:
    # of 10 n records with confidence k / 10, k n are right
    confidence, right = [], []
    for tenth, times in tenths.items():
        confidence += [tenth / 10] * (10 * times)
        right += [True] * (tenth * times) + [False] * ((10 - tenth) * times)
    values, truth = np.array(confidence), np.array(right)
    for assign in (equal_width, equal_mass):
        assert calibration_error(reliability(values, truth, assign(values))) == pytest.approx(0.0, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_error_is_a_share(records: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([each[0] for each in records]), np.array([each[1] for each in records])
    for assign in (equal_width, equal_mass):
        assert 0 <= (calibration_error(reliability(confidence, right, assign(confidence))) or 0.0) <= 1


def test_a_calibrated_simulation_has_next_to_no_error() -> None:
    generator = np.random.default_rng(3)
    confidence = generator.beta(0.4, 0.4, size=40_000)
    right = generator.random(40_000) < confidence
    for assign in (equal_width, equal_mass):
        assert (calibration_error(reliability(confidence, right, assign(confidence))) or 1.0) < 0.012


def test_an_overconfident_simulation_shows() -> None:
    generator = np.random.default_rng(3)
    chance = generator.beta(2, 2, size=20_000)
    right = generator.random(20_000) < chance
    confidence = np.clip(chance + 0.1, 0, 1)
    assert (calibration_error(reliability(confidence, right, equal_width(confidence))) or 0.0) > 0.08
