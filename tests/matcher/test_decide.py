"""Thresholds and the decisions they make."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.config import DecisionSettings
from entity_matching.matcher.decide import LIKELIER, WORTH_A_LOOK, Thresholds


def _derive(
    confidence: list[float],
    right: list[bool],
    has_truth: list[bool] | None = None,
    *,
    precision: float = 0.98,
    kept: float = 0.995,
) -> Thresholds:
    flags = np.array(right, dtype=bool)
    truth = flags if has_truth is None else np.array(has_truth, dtype=bool)
    settings = DecisionSettings(target_precision=precision, kept_share=kept)
    return Thresholds.derive(np.array(confidence, dtype=np.float64), flags, truth, settings)


def test_the_match_threshold_is_the_lowest_that_keeps_the_target_precision() -> None:
    # accepting the first four gives 3/4, the first five 4/5, all six 4/6
    confidence, right = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7], [True, True, False, True, True, False]
    assert 0.7 < _derive(confidence, right, precision=0.8).match < 0.75
    assert 0.85 < _derive(confidence, right, precision=0.99).match < 0.9


def test_what_is_less_likely_right_than_wrong_is_never_accepted() -> None:
    assert _derive([0.9, 0.3, 0.2], [True, True, True]).match == LIKELIER


def test_equal_confidences_are_accepted_or_refused_together() -> None:
    found = _derive([0.9, 0.6, 0.6, 0.6], [True, True, False, False], precision=0.99)
    assert found.match > 0.6


def test_a_target_that_is_never_reached_is_taken_as_it_is_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = _derive([0.99, 0.4], [False, True], precision=0.9)
    assert found.match == 0.9
    assert "target 0.9" in caplog.text


def test_the_review_threshold_keeps_the_wanted_share_of_true_matches() -> None:
    confidence = [place / 100 for place in range(1, 101)]
    found = _derive(confidence, [True] * 100, precision=0.5, kept=0.9)
    assert np.mean(np.array(confidence) >= found.review) >= 0.9
    assert found.review == pytest.approx(0.1, abs=0.011)


def test_room_for_review_is_left_below_the_match_threshold() -> None:
    found = _derive([0.99] * 50, [True] * 50)
    assert found.review <= WORTH_A_LOOK * found.match < found.match


def test_nothing_to_derive_from_gives_the_target_and_reviews_everything() -> None:
    found = _derive([], [])
    assert (found.match, found.review) == (0.98, 0.0)
    assert _derive([0.3, 0.2], [False, False], [True, True]).review == 0.0


def test_best_f1_counts_the_matches_that_were_missed() -> None:
    # of four records with a counterpart two were found rightly, then a wrong one, then a right one: F1 0.75
    found = _derive([0.9, 0.8, 0.7, 0.6], [True, True, False, True], [True] * 4)
    assert found.best_f1 == pytest.approx(0.375)
    found = _derive([0.9, 0.8, 0.7, 0.6], [True, True, False, False], [True, True, False, False])
    assert found.best_f1 == pytest.approx(0.5)


def test_decisions_by_confidence_each_threshold_included() -> None:
    thresholds = Thresholds(match=0.9, review=0.4, best_f1=0.5)
    decided = thresholds.decide(np.array([1.0, 0.9, 0.89, 0.4, 0.39, 0.0]))
    assert decided.tolist() == ["match", "match", "review", "review", "no_match", "no_match"]


def test_where_both_thresholds_are_one_nothing_is_left_to_review() -> None:
    decided = Thresholds(0.5, 0.5, 0.5).decide(np.array([0.4, 0.5, 0.6]))
    assert decided.tolist() == ["no_match", "match", "match"]


records = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@given(records, st.floats(0.5, 1), st.floats(0.5, 1))
def test_what_is_promised_holds_on_the_records_learnt_from(
    seen: list[tuple[float, bool]], precision: float, kept: float
) -> None:
    # whole hundredths: two confidences that differ have a number between them
    confidence: npt.NDArray[np.float64] = np.round([value for value, _ in seen], 2)
    right = np.array([flag for _, flag in seen])
    found = _derive(confidence.tolist(), right.tolist(), precision=precision, kept=kept)
    assert 0 <= found.review <= found.match <= 1
    accepted = confidence >= found.match
    if accepted.any() and found.match not in (precision, LIKELIER):
        assert right[accepted].mean() >= precision
    if right.any():
        assert (confidence[right] >= found.review).mean() >= kept
