from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from entity_matching.ditto.pairs import RecordPairs
from entity_matching.errors import LabelsError

Make = Callable[..., RecordPairs]


def test_two_lists_are_paired_row_by_row(make_pairs: Make) -> None:
    pairs = make_pairs(matches=2, others=3)
    assert len(pairs) == 5
    assert pairs.pairs.tolist() == [[row, row] for row in range(5)]
    assert pairs.weight.tolist() == [1.0] * 5
    assert pairs.matches.tolist() == [True, True, False, False, False]


def test_pairs_are_taken_by_mask_or_by_number(make_pairs: Make) -> None:
    pairs = make_pairs(matches=2, others=3)
    by_mask = pairs.take(pairs.matches)
    by_number = pairs.take(np.array([4, 0], dtype=np.int64))
    assert by_mask.pairs[:, 0].tolist() == [0, 1]
    assert by_number.pairs[:, 0].tolist() == [4, 0]
    assert by_number.matches.tolist() == [False, True]
    assert by_number.left is pairs.left
    assert by_number.name == pairs.name


def test_both_kinds_pass_the_check(make_pairs: Make) -> None:
    make_pairs(matches=1, others=1).check("training")


@pytest.mark.parametrize(
    ("matches", "others", "said"),
    [
        (3, 0, "nothing but matches among the 3 training"),
        (0, 3, "no match among the 3"),
        (0, 0, "no match among the 0"),
    ],
)
def test_pairs_of_one_kind_are_refused_by_name_and_purpose(
    make_pairs: Make, matches: int, others: int, said: str
) -> None:
    with pytest.raises(LabelsError, match=said) as caught:
        make_pairs(matches=matches, others=others, name="abt-buy").check("training")
    assert "'abt-buy'" in caught.value.message
    assert "pairs that match and pairs that do not" in caught.value.remedy


def test_thinning_keeps_every_match_and_so_many_others_in_their_order() -> None:
    matches = np.arange(40) % 8 == 0
    pairs = RecordPairs.of([()] * 40, [()] * 40, matches)
    thinned = pairs.thinned(2.0, np.random.default_rng(0))
    assert thinned.matches.sum() == 5
    assert (~thinned.matches).sum() == 10
    assert (np.diff(thinned.pairs[:, 0]) > 0).all()
    assert len(pairs.thinned(100.0, np.random.default_rng(0))) == 40
