"""Noise of names, word by word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.ditto.name_noise import noisy_words, plain_runs
from entity_matching.ditto.words import SpanType, Word

seeds = st.integers(0, 2**32 - 1)
lower_case = st.text("abcdefghijklmnopqrstuvwxyzéß", min_size=5, max_size=45)


def plain(text: str) -> tuple[Word, ...]:
    return tuple(Word(part) for part in text.split())


def variants(words: tuple[Word, ...], other: str = "", draws: int = 300) -> set[str]:
    """Return what many seeds make of the words."""
    found = (noisy_words(words, other.split(), np.random.default_rng(seed)) for seed in range(draws))
    return {" ".join(word.text for word in noisy) for noisy in found if noisy is not None}


def test_a_long_word_is_cut_after_a_consonant_stripped_of_vowels_and_misspelt() -> None:
    seen = variants(plain("technology"))
    assert {"tech", "tec", "techn", "tchnlgy", "techology", "tecnhology", "technnology"} <= seen
    assert all(text[0] == "t" and len(text) >= 3 for text in seen)
    assert "techno" not in seen


@pytest.mark.parametrize("text", ["acme", "x", "a320neo", "o'reilly", "12345", "&"])
def test_short_words_and_words_with_signs_or_digits_are_left_alone(text: str) -> None:
    assert variants(plain(text)) == set()


def test_two_words_are_glued_and_a_few_are_written_as_initials() -> None:
    seen = variants(plain("new bank zoo"))
    assert {"newbank zoo", "new bankzoo", "nbz"} == seen
    assert "rbn" not in variants((*plain("red bank"), Word("berlin", SpanType.PLACE), *plain("new")))
    assert all(len(text.split()) >= 6 for text in variants(plain("one big red dog and cat pen")))


def test_the_end_of_a_long_value_is_cut_off() -> None:
    long = (*plain("many good old things eeeee"), Word("ag", SpanType.FORM))
    assert {"many good old things eee ag", "many good old things eeee ag"} <= variants(long)
    assert "eee" not in variants(plain("eeeee"))  # only a vowel follows: it is no abbreviation


@pytest.mark.parametrize("kind", [SpanType.NUMBER, SpanType.CODE, SpanType.PLACE, SpanType.FORM])
def test_a_typed_word_is_never_written_otherwise(kind: SpanType) -> None:
    typed = (Word("corporation", kind), Word("germany", kind))
    assert variants(typed) == set()
    for text in variants((*plain("siemens"), *typed)):
        assert text.split()[1:] == ["corporation", "germany"]


def test_no_word_turns_into_a_legal_form_or_a_roman_numeral() -> None:
    assert "inc" in {text[:3] for text in variants(plain("incubator"))}
    assert "inc" not in variants(plain("incubator"))
    assert "mix" not in variants(plain("mixture"))
    assert "plc" not in variants(plain("public law club"))


def test_a_word_does_not_turn_into_what_another_record_says() -> None:
    assert "siemer" in variants(plain("siemers"))
    assert "siemer" not in variants(plain("siemers"), "siemer")
    assert "siem" in variants(plain("siemers"), "siemers")
    assert "siem" not in variants(plain("siemers"), "siemens")
    assert "north" in variants(plain("northern"), "northern")
    assert "north" not in variants(plain("northern"), "northern north")
    assert "gec" in variants(plain("general electric company"), "general motors")
    assert "gec" not in variants(plain("general electric company"), "general electric capital")


@given(st.lists(lower_case, max_size=6), st.lists(lower_case, max_size=6), seeds)
def test_a_new_word_is_none_of_the_other_record(texts: list[str], other: list[str], seed: int) -> None:
    noisy = noisy_words(tuple(map(Word, texts)), other, np.random.default_rng(seed))
    if noisy is not None:
        assert 1 <= len(noisy) <= len(texts)
        assert len([word for word in noisy if word.text not in texts]) <= 1
        assert all(word.text in texts or word.text not in other for word in noisy)
        assert tuple(map(Word, texts)) != noisy


def test_a_value_of_endless_words_takes_no_time_at_all() -> None:
    endless = Word("ab" * 50_000)
    assert noisy_words((endless, endless), [endless.text], np.random.default_rng(0)) is None


def test_runs_of_plain_words_end_at_typed_ones() -> None:
    number = Word("7", SpanType.NUMBER)
    assert plain_runs((*plain("a b"), number, *plain("c"))) == [(0, 2), (3, 4)]
    assert plain_runs((number, number)) == plain_runs(()) == []
