from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.matcher.pairwise import LabelledPairs
from entity_matching.matcher.rivals import Rivals, contents


def _side(*names: str | None) -> pa.Table:
    return pa.table({"name": pa.array(names, pa.string()), "size": [1] * len(names)})


def _labelled(left: tuple[str, ...], right: tuple[str, ...], matches: list[bool]) -> LabelledPairs:
    return LabelledPairs(_side(*left), _side(*right), np.array(matches))


NOTHING = _labelled((), (), [])


def test_pairs_of_one_record_are_each_others_rivals() -> None:
    chances = Rivals.of(NOTHING).chances(_side("a", "a", "b"), _side("x", "y", "z"), np.array([0.9, 0.2, 0.5]))
    assert chances.tolist() == [[0.2, 0.0], [0.9, 0.0], [0.0, 0.0]]


def test_the_right_record_has_rivals_too() -> None:
    chances = Rivals.of(NOTHING).chances(_side("a", "b", "c"), _side("x", "x", "x"), np.array([0.3, 0.9, 0.4]))
    assert chances[:, 1].tolist() == [0.9, 0.4, 0.9]
    assert not chances[:, 0].any()


def test_a_known_match_of_a_record_is_a_certain_rival_of_its_other_pairs() -> None:
    known = Rivals.of(_labelled(("a", "b"), ("x", "y"), [True, False]))
    chances = known.chances(_side("a", "b", "c"), _side("q", "r", "x"), np.full(3, 0.5))
    assert chances.tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]


def test_a_pair_is_no_rival_of_itself_though_it_is_known() -> None:
    known = Rivals.of(_labelled(("a",), ("x",), [True]))
    assert known.chances(_side("a"), _side("x"), np.array([0.4])).tolist() == [[0.0, 0.0]]


def test_no_pairs_at_all_have_no_rivals() -> None:
    assert Rivals.of(NOTHING).chances(_side(), _side(), np.zeros(0)).shape == (0, 2)


@pytest.mark.parametrize(("one", "two"), [(("a", "b"), ("ab", "")), (("a", None), ("a", ""))])
def test_records_that_differ_have_different_contents(one: tuple[str, str | None], two: tuple[str, str | None]) -> None:
    rows = pa.table({"first": [one[0], two[0]], "second": pa.array([one[1], two[1]], pa.string())})
    found = contents(rows).to_pylist()
    assert found[0] != found[1]
