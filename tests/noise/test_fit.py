"""Names made to fit a system's room."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.noise.fit import cut, join, squeeze
from entity_matching.noise.words import is_fixed

words = st.lists(st.text(alphabet="abcdeiXV12.&", min_size=1, max_size=14), min_size=1, max_size=7)


@given(words, st.integers(0, 60))
def test_what_fits_is_left_as_it_is(name: list[str], spare: int) -> None:
    room = len(" ".join(name)) + spare
    assert cut(name, room) == name
    assert squeeze(name, room, np.random.default_rng(0)) == name


@given(words, st.integers(1, 40), st.integers(0, 1000))
def test_numbers_stay_whole_and_in_their_order_whatever_the_room(name: list[str], room: int, seed: int) -> None:
    numbers = [word for word in name if is_fixed(word)]
    for fitted in (cut(name, room), squeeze(name, room, np.random.default_rng(seed))):
        assert [word for word in fitted if word in numbers] == numbers
        assert fitted[0][0] == name[0][0]


@given(st.lists(st.text(alphabet="abcdefgh", min_size=4, max_size=14), min_size=1, max_size=7), st.integers(4, 40))
def test_a_name_without_numbers_fits_its_room(name: list[str], room: int) -> None:
    assert len(" ".join(cut(name, room))) <= room
    assert len(" ".join(squeeze(name, room, np.random.default_rng(room)))) <= room


def test_a_cut_fills_the_room_as_the_vendors_do() -> None:
    assert " ".join(cut("Sumitomo Chemical India Limited".split(), 30)) == "Sumitomo Chemical India Limite"


def test_squeezing_abbreviates_before_it_cuts() -> None:
    results = {
        " ".join(squeeze("Acadia Pharmaceutical Research".split(), 20, np.random.default_rng(s))) for s in range(40)
    }
    assert all(result.startswith("Acadia ") for result in results)
    assert any("." in result for result in results)


@pytest.mark.parametrize(
    ("name", "glued"),
    [
        (["COSCO", "SHIP.", "PORT.", "LTD"], "COSCO SHIP.PORT.LTD"),
        (["J.", "SMITH"], "J. SMITH"),
        (["FUND", "NO.", "12"], "FUND NO. 12"),
        (["ACQ.", "II"], "ACQ. II"),
        ([], ""),
    ],
)
def test_glue_joins_what_follows_an_abbreviation_but_no_number(name: list[str], glued: str) -> None:
    assert join(name, glue=True) == glued
    assert join(name, glue=False) == " ".join(name)
