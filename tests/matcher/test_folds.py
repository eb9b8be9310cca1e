"""Folds over entities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.matcher.folds import entities, entity_folds

keys = st.sampled_from(["a", "b", "c", "d", "e"])
labels = st.lists(st.tuples(keys, keys | st.none() | st.just("")), max_size=20)


def _same(left: str, right: str, pairs: list[tuple[str, str | None]]) -> bool:
    groups = entities([one for one, _ in pairs], [two for _, two in pairs])
    place = [one for one, _ in pairs]
    return bool(groups[place.index(left)] == groups[place.index(right)])


def test_records_of_one_reference_record_are_one_entity() -> None:
    pairs: list[tuple[str, str | None]] = [("s1", "r1"), ("s2", "r1"), ("s3", "r2")]
    assert _same("s1", "s2", pairs)
    assert not _same("s1", "s3", pairs)


def test_entities_are_connected_through_others() -> None:
    groups = entities(["s1", "s1", "s2", "s3"], ["r1", "r2", "r2", "r3"])
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_records_that_are_nowhere_are_entities_of_their_own() -> None:
    groups = entities(["s1", "s2", "s3", "s3"], [None, "", None, None])
    assert len(set(groups.tolist())) == 3
    assert groups[2] == groups[3]


def test_a_source_key_that_equals_a_reference_key_is_no_link() -> None:
    groups = entities(["x", "y"], ["y", "z"])
    assert groups[0] != groups[1]


def test_no_labels_have_no_entities() -> None:
    assert len(entities([], [])) == 0


@given(labels)
def test_two_labels_with_a_key_in_common_are_never_apart(pairs: list[tuple[str, str | None]]) -> None:
    groups = entities([one for one, _ in pairs], [two for _, two in pairs])
    assert groups.shape == (len(pairs),)
    for (one, two), group in zip(pairs, groups, strict=True):
        for (other, third), its in zip(pairs, groups, strict=True):
            if one == other or (two and two == third):
                assert group == its


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(2, 6), st.integers(0, 5))
def test_no_entity_is_in_two_folds_and_folds_are_of_one_size(groups: list[int], folds: int, seed: int) -> None:
    array = np.array(groups, dtype=np.int64)
    dealt = entity_folds(array, folds, seed)
    assert dealt.min() >= 0
    assert dealt.max() < folds
    sizes = np.zeros(folds, dtype=int)
    for group in np.unique(array):
        of_group = np.unique(dealt[array == group])
        assert len(of_group) == 1
        sizes[of_group[0]] += 1
    assert sizes.max() - sizes.min() <= 1


def test_the_seed_decides_who_goes_where() -> None:
    groups = np.arange(100)
    assert (entity_folds(groups, 5, 1) == entity_folds(groups, 5, 1)).all()
    assert (entity_folds(groups, 5, 1) != entity_folds(groups, 5, 2)).any()


@pytest.mark.parametrize("entities_there", [1, 2])
def test_fewer_entities_than_folds_use_fewer_folds(entities_there: int) -> None:
    assert len(np.unique(entity_folds(np.arange(entities_there), 5, 0))) == entities_there
