from __future__ import annotations

import numpy as np
import pytest

from entity_matching.matcher.calibrate import expit, logit
from entity_matching.matcher.stack import START, Stack, first_guess


def _drawn(seed: int, size: int = 4_000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two scorers' log-odds, the second twice as telling, rivals of which the left one speaks, and what is true."""
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=size) * 2, rng.normal(size=size) * 2
    rivals = rng.random((size, 2))
    return one, two, rivals, rng.random(size) < expit(0.5 * one + 1.0 * two - 3.0 * rivals[:, 0])


def test_the_more_telling_scorer_weighs_more() -> None:
    stack = Stack.fit(*_drawn(0))
    assert 0 < stack.features < stack.ditto
    assert stack.right < 0.5 * stack.left


def test_a_scorer_that_misleads_counts_for_nothing() -> None:
    one, two, rivals, matches = _drawn(1)
    stack = Stack.fit(one, -two, rivals, matches)
    assert stack.ditto < 0.1 * stack.features


def test_a_higher_score_never_lowers_the_blend_and_a_likelier_rival_never_lifts_it() -> None:
    stack = Stack.fit(*_drawn(2, 50))
    grid, none = np.linspace(-8, 8, 30), np.zeros((30, 2))
    for other in (-5.0, 0.0, 5.0):
        fixed = np.full(30, other)
        assert (np.diff(stack.apply(grid, fixed, none)) >= 0).all()
        assert (np.diff(stack.apply(fixed, grid, none)) >= 0).all()
        for side in ([1.0, 0.0], [0.0, 1.0]):
            assert (np.diff(stack.apply(fixed, fixed, np.outer(np.linspace(0, 1, 30), side))) <= 0).all()


def test_a_dozen_pairs_do_not_move_the_weights_and_thousands_do() -> None:
    few, many = (Stack.fit(*_drawn(3, size)) for size in (12, 4_000))
    assert abs(few.ditto - START) < 0.3
    assert many.ditto == pytest.approx(1.0, abs=0.1)


def test_a_dozen_pairs_that_anything_separates_give_finite_weights() -> None:
    odds = np.array([-4.0, -3.0, -2.0, 2.0, 3.0, 4.0] * 2)
    stack = Stack.fit(odds, odds, np.zeros((12, 2)), odds > 0)
    assert np.isfinite([stack.features, stack.ditto, stack.left, stack.right, stack.intercept]).all()
    assert stack.features == pytest.approx(stack.ditto, rel=1e-3)


def test_the_first_guess_is_even_where_the_scorers_cancel_each_other_out() -> None:
    guess = first_guess(np.array([2.0, 2.0]), np.array([-2.0, 2.0]))
    assert guess[0] == pytest.approx(0.5)
    assert 0.5 < guess[1] < 1


def test_a_scaled_blend_has_log_odds_scaled() -> None:
    one, two, rivals, matches = _drawn(4, 200)
    stack = Stack.fit(one, two, rivals, matches)
    scaled = stack.scaled(1.5, -0.2)
    assert np.allclose(logit(scaled.apply(one, two, rivals)), 1.5 * logit(stack.apply(one, two, rivals)) - 0.2)
