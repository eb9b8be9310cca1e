from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.sampling import Sampler


def sampler(matches: int, others: int, negatives: float = 2.0) -> Sampler:
    pairs = RecordPairs.of([()] * (matches + others), [()] * (matches + others), np.arange(matches + others) < matches)
    return Sampler.of(pairs, negatives)


def counts(drawing: Sampler, passes: int = 300) -> NDArray[np.int64]:
    rng = np.random.default_rng(0)
    return np.bincount(np.concatenate([drawing.draw(rng) for _ in range(passes)]), minlength=len(drawing.pairs))


@given(st.integers(1, 30), st.integers(1, 60), st.floats(0.1, 8), st.integers(0, 2**32))
def test_a_pass_has_every_match_and_its_share_of_the_others_once(
    matches: int, others: int, negatives: float, seed: int
) -> None:
    drawn = sampler(matches, others, negatives).draw(np.random.default_rng(seed))
    assert len(set(drawn.tolist())) == len(drawn)
    assert np.sort(drawn)[:matches].tolist() == list(range(matches))
    assert len(drawn) - matches == min(others, max(1, round(negatives * matches)))
    assert drawn.max() < matches + others


def test_the_same_draws_at_random_give_the_same_pass_others_another() -> None:
    drawing = sampler(5, 100)
    one, again, other = (drawing.draw(np.random.default_rng(seed)).tolist() for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_all_are_drawn_alike_at_first() -> None:
    often = counts(sampler(10, 100))[10:]
    assert often.sum() == 300 * 20
    assert often.min() > 30
    assert often.max() < 100


def test_harder_ones_come_more_often_and_easy_ones_now_and_then() -> None:
    drawing = sampler(10, 100)
    probability = np.r_[np.full(20, 0.9), np.full(40, 0.1), np.zeros(40)]
    drawing.mine(np.arange(10, 110), probability)
    often = counts(drawing)
    hard, middling, easy = often[10:30].mean(), often[30:70].mean(), often[70:].mean()
    assert hard > 1.5 * middling
    assert middling > 3 * easy
    assert easy > 1
    assert (often[:10] == 300).all()


def test_a_pair_that_was_not_scored_is_as_hard_as_the_mean() -> None:
    drawing = sampler(1, 3)
    drawing.mine(np.array([1, 2]), np.array([0.25, 1.0]))
    assert drawing.hardness[1:].tolist() == [0.5, 1.0, 0.75]


def test_scoring_anew_forgets_the_scores_before() -> None:
    drawing = sampler(1, 3)
    drawing.mine(np.array([1]), np.array([0.01]))
    drawing.mine(np.array([2]), np.array([0.25]))
    assert drawing.hardness[1:].tolist() == [0.5, 0.5, 0.5]


def test_nothing_scored_leaves_all_alike() -> None:
    drawing = sampler(1, 3)
    drawing.mine(np.zeros(0, np.int64), np.zeros(0))
    assert drawing.hardness.tolist() == [1.0] * 4


@pytest.mark.parametrize(("others", "per_match", "size"), [(50, 2.0, 20), (15, 2.0, 15), (50, 0.01, 1)])
def test_the_pool_has_pairs_that_are_no_match_up_to_its_bound(others: int, per_match: float, size: int) -> None:
    pool = sampler(10, others).pool(per_match, np.random.default_rng(0))
    assert len(pool) == size
    assert (np.diff(pool) > 0).all()
    assert pool.min() >= 10
