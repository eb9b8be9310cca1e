"""Noise of texts, numbers and values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.noise import ColumnProfile
from entity_matching.noise.values import another, noisy_number, noisy_text

seeds = st.integers(0, 2**32 - 1)
NONE_CUT = ColumnProfile(limits=())


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=3), seeds)
def test_no_text_becomes_blank_nor_raises(text: str, pool: list[str], seed: int) -> None:
    noisy = noisy_text(text, pool, ColumnProfile(limits=(10,)), np.random.default_rng(seed))
    assert bool(noisy.strip()) == bool(text.strip())


def test_words_with_digits_stay_in_a_text() -> None:
    text = "sony cyber-shot digital camera dsc-w55 with 7.2 megapixels"
    for seed in range(100):
        noisy = noisy_text(text, ["canon powershot a560 camera"], NONE_CUT, np.random.default_rng(seed))
        assert {"dsc-w55", "7.2"} <= set(noisy.split())
        assert "a560" not in noisy  # a model number of another record would make it another record


def test_a_text_comes_in_many_ways_and_sometimes_as_it_is() -> None:
    text = "efficient optimistic concurrency control using loosely synchronized clocks"
    noisy = [noisy_text(text, [], NONE_CUT, np.random.default_rng(seed)) for seed in range(200)]
    assert len(set(noisy)) > 50
    assert text in noisy


def test_some_texts_are_cut_where_the_source_cuts() -> None:
    text = "a description that goes on and on"
    noisy = [noisy_text(text, [], ColumnProfile(limits=(12,)), np.random.default_rng(seed)) for seed in range(100)]
    assert 0.3 < np.mean([len(value) <= 12 for value in noisy]) < 0.9


def test_another_value_is_one_of_the_others() -> None:
    rng = np.random.default_rng(0)
    assert {another("DE", ["DE", "FR", "IT"], rng) for _ in range(200)} >= {"FR", "IT"}
    drawn = [another("DE", ["DE", "FR"], rng) for _ in range(300)]
    assert np.mean([value == "FR" for value in drawn]) > 0.85


def test_where_there_is_no_other_the_value_stays() -> None:
    assert another("DE", ["DE"], np.random.default_rng(0)) == "DE"
    assert another("DE", [], np.random.default_rng(0)) == "DE"


@given(st.text(max_size=20), seeds)
def test_no_number_raises_and_what_is_none_stays(value: str, seed: int) -> None:
    noisy = noisy_number(value, np.random.default_rng(seed))
    assert noisy == value or float(noisy) == float(noisy)


@pytest.mark.parametrize("value", ["", "n/a", "12 to 15", "-"])
def test_what_holds_no_number_stays(value: str) -> None:
    assert noisy_number(value, np.random.default_rng(0)) == value


def test_numbers_stay_near_and_whole_numbers_whole() -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        assert noisy_number("2003", rng) in ("2002", "2004")
        assert 88 <= int(noisy_number("98", rng)) <= 108
        assert 17.99 <= float(noisy_number("$19.99", rng)) <= 21.99
