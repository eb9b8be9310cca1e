"""Abbreviations and misspellings of single words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.noise.words import abbreviate, can_shorten, is_fixed, known_abbreviations, misspell, typo
from entity_matching.normalize.words import write_out

seeds = st.integers(0, 2**32 - 1)
letters = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäöüßéñ", min_size=1, max_size=24)


@pytest.mark.parametrize(
    ("word", "fixed"),
    [
        ("12", True),
        ("3M", True),
        ("III", True),
        ("ii", True),
        ("(IV)", True),
        ("II,", True),
        ("Siemens", False),
        ("-", False),
    ],
)
def test_numbers_in_digits_and_roman_figures_are_fixed(word: str, fixed: bool) -> None:
    assert is_fixed(word) is fixed


@pytest.mark.parametrize(
    ("word", "long"),
    [
        ("Technology", True),
        ("Industries,", True),
        ("Group", True),
        ("Bread", False),
        ("A321neo", False),
        ("O'Reilly", False),
        ("", False),
    ],
)
def test_only_longer_words_of_letters_alone_are_abbreviated(word: str, long: bool) -> None:
    assert can_shorten(word) is long


@given(letters.filter(can_shorten), seeds, st.integers(0, 30))
def test_an_abbreviation_is_shorter_and_shares_the_first_letter(word: str, seed: int, room: int) -> None:
    short = abbreviate(word, np.random.default_rng(seed), room=room)
    assert short[0] == word[0]
    assert len(short.rstrip(".")) <= len(word)
    assert not any(map(str.isdigit, short))


def test_a_cut_is_no_deeper_than_the_room_asks_for() -> None:
    cuts = {abbreviate("Zyxwvutsrqp", np.random.default_rng(seed), room=8) for seed in range(40)}
    assert any(len(cut) == 8 for cut in cuts)


def test_words_of_the_trade_are_abbreviated_as_usual_and_read_back() -> None:
    seen = {abbreviate("Holdings", np.random.default_rng(seed)).rstrip(".").lower() for seed in range(60)}
    assert {"hldg", "hldgs"} & seen
    usual = [short for short in seen if short in known_abbreviations()["holding"]]
    assert len(usual) >= 3
    assert {write_out(["x", short])[1] for short in usual} == {"holding"}


def test_an_abbreviation_is_written_in_the_case_of_its_word() -> None:
    for seed in range(40):
        assert abbreviate("MANAGEMENT", np.random.default_rng(seed)).isupper()
        assert abbreviate("management", np.random.default_rng(seed)).islower()


def test_no_usual_abbreviation_holds_a_digit_or_another_first_letter() -> None:
    for word, shorts in known_abbreviations().items():
        assert all(short.isalpha() and short[0] == word[0] and len(short) < len(word) for short in shorts)


@given(st.text(max_size=30), seeds)
def test_a_typo_keeps_the_first_letter_and_every_digit(word: str, seed: int) -> None:
    wrong = typo(word, np.random.default_rng(seed))
    assert wrong[:1] == word[:1]
    assert [char for char in wrong if char.isdigit()] == [char for char in word if char.isdigit()]
    assert abs(len(wrong) - len(word)) <= 1


@pytest.mark.parametrize("word", ["", "AG", "Baye", "A320", "XVIII", "1234567"])
def test_short_words_and_numbers_are_not_misspelt(word: str) -> None:
    assert {typo(word, np.random.default_rng(seed)) for seed in range(20)} == {word}


def test_a_typo_comes_in_several_ways() -> None:
    wrong = {typo("Siemens", np.random.default_rng(seed)) for seed in range(60)}
    assert {len(word) for word in wrong} == {6, 7, 8}


@given(st.lists(st.text(min_size=1, max_size=10), max_size=6), seeds)
def test_at_most_one_word_of_several_is_misspelt(words: list[str], seed: int) -> None:
    wrong = misspell(words, np.random.default_rng(seed))
    assert len(wrong) == len(words)
    assert sum(one != two for one, two in zip(words, wrong, strict=True)) <= 1
