from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.features.block import Block
from entity_matching.features.context import context_features


def among(*groups: list[float]) -> Block:
    starts = np.cumsum([0, *map(len, groups)]).astype(np.int64)
    return context_features(starts, np.array([value for group in groups for value in group], np.float32), "s")


def test_rank_margin_and_distance_within_each_record() -> None:
    found = among([0.2, 0.9, 0.5], [0.4, 0.1])
    assert found.column("s.rank").tolist() == [2, 0, 1, 0, 1]
    assert found.column("s.behind") == pytest.approx([-0.7, 0, -0.4, 0, -0.3])
    assert found.column("s.margin") == pytest.approx([-0.7, 0.4, -0.4, 0.3, -0.3])


def test_a_tie_leaves_no_margin() -> None:
    found = among([0.8, 0.8, 0.1])
    assert found.column("s.margin")[:2].tolist() == [0, 0]
    assert sorted(found.column("s.rank")[:2].tolist()) == [0, 1]


def test_a_lone_candidate_is_ahead_of_nothing() -> None:
    found = among([0.6])
    assert found.column("s.rank")[0] == 0
    assert found.column("s.margin")[0] == pytest.approx(0.6)
    assert found.column("s.crowd")[0] == 0


def test_the_crowd_are_the_rivals_about_as_good_or_better() -> None:
    assert among([0.9, 0.88, 0.5], [0.9]).column("s.crowd").tolist() == [1, 1, 2, 0]


def test_an_unknown_value_counts_as_zero() -> None:
    assert among([np.nan, 0.3]).column("s.behind") == pytest.approx([-0.3, 0])


def test_no_pairs_give_no_rows() -> None:
    assert among().matrix().shape == (0, 4)


@given(st.lists(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=5), min_size=1, max_size=5))
def test_each_record_has_one_first_place_that_is_behind_nobody(groups: list[list[float]]) -> None:
    found = among(*groups)
    first = found.column("s.rank") == 0
    assert first.sum() == len(groups)
    assert (found.column("s.behind")[first] == 0).all()
    assert (found.column("s.margin")[first] >= 0).all()
    assert (found.column("s.crowd") >= 0).all()
