from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.search import Candidates
from entity_matching.search.candidates import distinct_sorted, rank_in_group, ranking


def pairs() -> Candidates:
    source, reference = np.array([0, 0, 2, 2, 2], np.int32), np.array([5, 1, 4, 0, 9], np.int32)
    return Candidates(source, reference, {"search": np.array([0.9, 0.5, 0.8, 0.8, 0.1], np.float32)})


def test_rank_counts_from_zero_within_each_source_row() -> None:
    assert pairs().rank.tolist() == [0, 1, 0, 1, 2]
    assert rank_in_group(np.empty(0, np.int32)).tolist() == []


def test_offsets_reach_every_row_even_those_without_candidates() -> None:
    assert pairs().offsets(4).tolist() == [0, 2, 2, 5, 5]


def test_best_keeps_the_first_ones() -> None:
    assert pairs().best(1).reference.tolist() == [5, 4]


def test_take_keeps_scores_beside_their_pairs() -> None:
    taken = pairs().take(np.array([1, 4]))
    assert (taken.source.tolist(), taken.reference.tolist()) == ([0, 2], [1, 9])
    assert taken.fused.tolist() == np.array([0.5, 0.1], np.float32).tolist()


def test_joining_nothing_gives_empty_scores() -> None:
    nothing = Candidates.concatenate([], ["lexical", "search"])
    assert len(nothing) == 0
    assert nothing.scores["lexical"].dtype == np.float32


scored = st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from([0.0, 1e-7, 0.25, 0.5, 0.99999, 1.0]))


@given(st.lists(scored, max_size=30))
def test_ranking_is_by_source_then_best_score_then_reference(rows: list[tuple[int, int, float]]) -> None:
    source, reference, score = np.array(rows, float).reshape(-1, 3).T
    order = ranking(source.astype(np.int32), reference.astype(np.int32), score.astype(np.float32))
    ranked = [(rows[at][0], -rows[at][2], rows[at][1]) for at in order.tolist()]
    assert sorted(order.tolist()) == list(range(len(rows)))
    assert ranked == sorted(ranked)


@given(st.lists(st.integers(-5, 5)))
def test_distinct_values_ascend(values: list[int]) -> None:
    assert distinct_sorted(np.array(values, np.int64)).tolist() == sorted(set(values))
