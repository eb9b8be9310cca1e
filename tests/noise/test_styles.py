"""How a source writes its names, learnt from the names alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.noise.styles import Style, case_of, common_limits, learn_styles, split_ending


@pytest.mark.parametrize(
    ("name", "body", "ending"),
    [
        ("YEXT INC.  DL 0,001", "YEXT INC.", "  DL 0,001"),
        ("BIONANO GENOMICS DL-,0001", "BIONANO GENOMICS", " DL-,0001"),
        ("AKEBIA THERAPEUT.DL-00001", "AKEBIA THERAPEUT", ".DL-00001"),
        ("SCOUT24 AG NA O.N.", "SCOUT24 AG", " NA O.N."),
        ("ALANDSBANKEN-A", "ALANDSBANKEN", "-A"),
        ("Svenska Handelsbanken AB Class A", "Svenska Handelsbanken AB", " Class A"),
        ("Siemens AG", "Siemens AG", ""),
        ("Муромский завод", "Муромский завод", ""),
        ("", "", ""),
    ],
)
def test_the_listing_suffix_is_split_off_as_it_stands(name: str, body: str, ending: str) -> None:
    assert split_ending(name) == (body, ending)


@given(st.text(max_size=60))
def test_a_split_name_is_whole_but_for_spaces_at_its_end(name: str) -> None:
    assert "".join(split_ending(name)).rstrip() == name.rstrip()


def test_the_case_of_a_name() -> None:
    assert [case_of(text) for text in ("ACME 3", "acme 3", "Acme", "123", "中文")] == ["upper", "lower", "", "", ""]


def test_a_limit_shows_as_a_length_far_commoner_than_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    natural = rng.normal(24, 8, 2000).astype(np.int64).clip(3)
    assert common_limits(natural) == ()
    assert common_limits(np.minimum(natural, 25)) == (25,)
    assert common_limits(np.r_[np.minimum(natural, 25), np.minimum(natural[:500], 31)]) == (25, 31)


@pytest.mark.parametrize("lengths", [[], [25], [25] * 3, list(range(1, 60))])
def test_few_names_show_no_limit(lengths: list[int]) -> None:
    assert common_limits(np.array(lengths, dtype=np.int64)) == ()


def test_each_name_gives_a_style() -> None:
    names = ["YEXT INC.  DL 0,001", "Befesa SA", "POND TECHS HLDGS", "IMERYS SA IMERYS ORD SHS", "acme"]
    styles = learn_styles(names, [True, True, False, True, False])
    assert styles == (
        Style("upper", ending="  DL 0,001"),
        Style(),
        Style("upper", formed=False, abbreviated=True),
        Style("upper", repeated=True),
        Style("lower", formed=False),
    )


def test_a_name_is_limited_by_the_next_limit_of_names_in_its_case() -> None:
    limited = [f"COMPANY {'ABCDEFGHIJ'[place % 10] * 17}" for place in range(20)]  # 25 characters each
    others = ["SHORT NAME", "Short Name", "A NAME THAT IS LONGER THAN ALL THE OTHERS"]
    styles = learn_styles([*limited, *others], [False] * 23)
    assert {style.limit for style in styles[:20]} == {25}
    assert [style.limit for style in styles[20:]] == [25, 0, 0]


@pytest.mark.parametrize(
    ("name", "abbreviated"),
    [
        ("COSCO SHIP.PORT.LTD.", True),
        ("MURATA MFG", True),
        ("CRONOS GRP INC.", True),
        ("Everspin Technologies, Inc.", False),
        ("Enel S.p.A.", False),
        ("China Vanke Co., Ltd.", False),
    ],
)
def test_abbreviations_are_told_from_legal_forms(name: str, abbreviated: bool) -> None:
    assert learn_styles([name], [True])[0].abbreviated is abbreviated


@pytest.mark.parametrize(
    ("name", "repeated"),
    [
        ("AKZO NOBEL NV AKZO NOBEL ORD SH", True),
        ("BARRICK GOLD CORP BARRICK GOLD ", True),
        ("New York New Haven Railroad", False),
        ("HP LaserJet toner for HP printers", False),
    ],
)
def test_a_name_written_twice_is_told_from_a_word_that_comes_twice(name: str, repeated: bool) -> None:
    assert learn_styles([name], [True])[0].repeated is repeated
