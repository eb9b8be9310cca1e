from __future__ import annotations

import numpy as np

from entity_matching.search import Candidates
from entity_matching.search.candidates import rank_in_group


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
