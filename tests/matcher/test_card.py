from __future__ import annotations

import numpy as np
import pytest

from entity_matching.matcher.card import held_out_quality
from entity_matching.matcher.decide import Thresholds
from entity_matching.matcher.outcomes import Outcomes

THRESHOLDS = Thresholds(match=0.5, review=0.1, best_f1=0.5)


def _outcomes(size: int = 200) -> Outcomes:
    """Nine in ten of the confident candidates are right; a fifth of the records has no confident one."""
    place = np.arange(size)
    confident = place % 5 != 0
    return Outcomes(np.where(confident, 0.9, 0.05), confident & (place % 10 != 1), place % 5 != 0)


def test_figures_are_those_of_the_automatic_matches() -> None:
    card = held_out_quality(_outcomes(), THRESHOLDS, 0)
    assert card["records"] == 200
    assert card["with_counterpart"] == 160
    assert card["precision"]["value"] == 0.875
    assert card["recall"]["value"] == 0.875
    assert card["f1"]["value"] == 0.875


def test_intervals_hold_the_value_and_narrow_with_more_records() -> None:
    few, many = (held_out_quality(_outcomes(size), THRESHOLDS, 0)["f1"] for size in (50, 2_000))
    for figure in (few, many):
        assert figure["low"] < figure["value"] < figure["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]


def test_calibration_error_is_the_gap_between_confidence_and_share_right() -> None:
    outcomes = Outcomes(np.full(100, 0.8), np.arange(100) < 60, np.ones(100, dtype=bool))
    assert held_out_quality(outcomes, THRESHOLDS, 0)["calibration_error"]["value"] == 0.2


def test_without_a_match_nothing_is_claimed() -> None:
    nothing = Outcomes(np.full(20, 0.1), np.zeros(20, dtype=bool), np.zeros(20, dtype=bool))
    card = held_out_quality(nothing, THRESHOLDS, 0)
    assert card["precision"] == {"value": None, "low": None, "high": None}
    empty = Outcomes(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))
    assert held_out_quality(empty, THRESHOLDS, 0)["f1"]["value"] is None


def test_the_same_seed_gives_the_same_interval() -> None:
    assert held_out_quality(_outcomes(), THRESHOLDS, 3) == held_out_quality(_outcomes(), THRESHOLDS, 3)


def test_a_figure_that_some_draws_leave_undefined_has_an_interval_all_the_same() -> None:
    confidence = np.full(30, 0.1)
    confidence[:2] = 0.9
    few = Outcomes(confidence, np.arange(30) == 0, np.ones(30, dtype=bool))
    assert held_out_quality(few, THRESHOLDS, 0)["precision"] == {"value": 0.5, "low": 0.0, "high": 1.0}


@pytest.mark.filterwarnings("error")
def test_records_that_are_all_alike_have_an_interval_of_one_value() -> None:
    perfect = Outcomes(np.full(50, 0.99), np.ones(50, dtype=bool), np.ones(50, dtype=bool))
    assert held_out_quality(perfect, THRESHOLDS, 0)["f1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
