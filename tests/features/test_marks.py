from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.features import Block, Pairs
from entity_matching.features.marks import mark_features

TEXT = st.text("ab1 2", max_size=20).map(lambda text: " ".join(text.split()))


def compared(*couples: tuple[str, str]) -> Block:
    sources, references = (pa.array(list(side), pa.string()) for side in zip(*couples, strict=True))
    rows = np.arange(len(couples), dtype=np.int64)
    return mark_features(sources, references, Pairs(pa.table({}), pa.table({}), rows, rows), "m")


def values(one: str, two: str, *names: str) -> list[float]:
    block = compared((one, two))
    return [float(block.column(f"m.{name}")[0]) for name in names]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("phaser 108r00645", "phaser 108r00645 unit"),
        ("phaser 108r00645", "phaser 108 r00645"),  # written apart
        ("garmin 0101061300", "garmin 010 10613 00"),
        ("nikon p6000", "nikon coolpixp6000bk"),  # inside a longer one
    ],
)
def test_a_code_is_found_however_it_is_spaced(one: str, two: str) -> None:
    assert values(one, two, "codes_found_source", "codes_lost_source") == [1, 0]


def test_two_models_of_one_make_clash() -> None:
    assert values("hp c8560a drum", "hp c8563a drum", "codes_clash", "code_clash", "code_longest") == [1, 6, 0]


def test_a_code_that_only_one_gives_is_lost_but_no_clash() -> None:
    names = ("codes_lost_source", "code_lost_source", "codes_clash", "code_clash")
    assert values("hp drum c8560a", "hp drum", *names) == [1, 6, 0, 0]


def test_a_short_code_is_not_looked_for_inside_words() -> None:
    assert values("w55", "dscw55", "codes_found_source") == [0]


@pytest.mark.parametrize(("one", "two"), [("4tb", "4 tb"), ("v10", "10.0"), ("13.5mp", "13.5 megapixels")])
def test_a_quantity_agrees_whatever_its_unit_is_glued_to(one: str, two: str) -> None:
    assert values(one, two, "quantities_agree", "quantities_source", "quantities_reference") == [1, 0, 0]


def test_other_quantities_clash_only_if_both_have_some() -> None:
    names = ("quantities_source", "quantities_reference", "quantities_clash")
    assert values("office 2007", "office 2003", *names) == [1, 1, 1]
    assert values("office 2007", "office", *names) == [1, 0, 0]


def test_an_empty_text_leaves_everything_unknown() -> None:
    assert np.isnan(compared(("", "x1000"), ("x1000", ""), ("", "")).matrix()).all()


def test_pairs_do_not_see_each_others_codes() -> None:
    found = compared(("abc123", "xyz"), ("xyz", "abc123"), ("abc123", "abc123")).column("m.codes_found_source")
    assert found.tolist() == [0, 0, 1]


def test_no_pairs_give_no_rows() -> None:
    none = pa.array([], pa.string())
    pairs = Pairs(pa.table({}), pa.table({}), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert mark_features(none, none, pairs, "m").matrix().shape[0] == 0


def test_texts_of_100_000_characters_are_compared_in_no_time() -> None:
    one = " ".join(f"c{number}" for number in range(15_000))
    assert values(one, one, "codes_lost_source") == [0]
    assert values("1" * 100_000, "1" * 100_000, "code_longest") == [100_000]


@given(TEXT.filter(bool))
def test_a_text_loses_nothing_to_itself(text: str) -> None:
    names = ("codes_lost_source", "codes_lost_reference", "codes_clash", "quantities_source", "quantities_clash")
    assert values(text, text, *names) == [0] * 5


@given(TEXT, TEXT)
def test_the_two_sides_mirror_each_other(one: str, two: str) -> None:
    source, reference = ("codes_found", "codes_lost", "code_lost", "quantities"), ("codes_clash", "code_longest")
    there = values(one, two, *(f"{name}_source" for name in source), *reference)
    back = values(two, one, *(f"{name}_reference" for name in source), *reference)
    assert there == pytest.approx(back, nan_ok=True)
