"""Candidates in the order of their probability."""

from __future__ import annotations

import numpy as np
import pytest

from entity_matching.matcher.rank import best_of_each, exclusive, ranked


def test_pairs_are_ordered_within_each_record() -> None:
    order = ranked(np.array([0, 0, 0, 2, 2]), np.array([0.1, 0.9, 0.5, 0.3, 0.4]))
    assert order.tolist() == [1, 2, 0, 4, 3]


def test_equal_pairs_keep_their_order() -> None:
    assert ranked(np.array([0, 0, 0]), np.array([0.5, 0.5, 0.5])).tolist() == [0, 1, 2]


def test_the_best_pair_of_each_record_and_none_where_there_is_no_candidate() -> None:
    best = best_of_each(np.array([0, 0, 2, 2]), np.array([0.1, 0.9, 0.4, 0.4]), 4)
    assert best.tolist() == [1, -1, 2, -1]


def test_no_candidates_at_all() -> None:
    assert best_of_each(np.zeros(0, dtype=np.int64), np.zeros(0), 3).tolist() == [-1, -1, -1]
    assert best_of_each(np.zeros(0, dtype=np.int64), np.zeros(0), 0).tolist() == []


def test_rivals_share_what_only_one_can_have() -> None:
    shared = exclusive(np.array([0, 0, 1, 1, 2]), np.array([0.9, 0.9, 0.6, 0.1, 0.8]))
    assert shared.tolist() == pytest.approx([0.5, 0.5, 0.6, 0.1, 0.8])
    assert exclusive(np.zeros(0, dtype=np.int64), np.zeros(0)).tolist() == []
