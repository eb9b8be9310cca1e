from __future__ import annotations

import numpy as np
import pytest

from entity_matching.matcher.calibrate import expit
from entity_matching.matcher.stack import Stack


def _drawn(seed: int, size: int = 4_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two scorers' log-odds, the second twice as telling, and what is true."""
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=size) * 2, rng.normal(size=size) * 2
    return one, two, rng.random(size) < expit(0.5 * one + 1.0 * two - 1.0)


def test_the_more_telling_scorer_weighs_more() -> None:
    stack = Stack.fit(*_drawn(0))
    assert 0 < stack.features < stack.ditto
    assert stack.intercept < 0


def test_a_scorer_that_misleads_counts_for_nothing() -> None:
    one, two, matches = _drawn(1)
    stack = Stack.fit(one, -two, matches)
    assert stack.ditto < 0.1 * stack.features


def test_a_higher_score_of_either_never_lowers_the_blend() -> None:
    stack = Stack.fit(*_drawn(2, 50))
    grid = np.linspace(-8, 8, 30)
    for other in (-5.0, 0.0, 5.0):
        fixed = np.full(30, other)
        assert (np.diff(stack.apply(grid, fixed)) >= 0).all()
        assert (np.diff(stack.apply(fixed, grid)) >= 0).all()


def test_a_dozen_pairs_that_anything_separates_give_finite_weights() -> None:
    odds = np.array([-4.0, -3.0, -2.0, 2.0, 3.0, 4.0] * 2)
    stack = Stack.fit(odds, odds, odds > 0)
    assert np.isfinite([stack.features, stack.ditto, stack.intercept]).all()
    assert stack.features == pytest.approx(stack.ditto, rel=1e-3)
