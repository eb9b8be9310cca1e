from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.ditto.likeness import are_alike, by_initial

WORDS = st.text("abcdefgh12", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("plantat", "plantations"),
        ("el", "electric"),
        ("entmt", "entertainment"),
        ("cmncts", "communications"),
        ("schnieder", "schneider"),
        ("kdl46", "kdl46xbr"),
    ],
)
def test_cut_abbreviated_and_misspelt_words_are_alike(one: str, two: str) -> None:
    assert are_alike(one, two)
    assert are_alike(two, one)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("cement", "cereal"),
        ("e", "electric"),  # a lone letter begins too many words
        ("mp3", "mp4"),
        ("w55", "w550"),  # another model, or another figure
        ("2010", "2011"),
        ("gold", "golf"[::-1]),
    ],
)
def test_other_words_are_not(one: str, two: str) -> None:
    assert not are_alike(one, two)


@given(WORDS, WORDS)
def test_it_does_not_matter_which_word_comes_first(one: str, two: str) -> None:
    assert are_alike(one, two) == are_alike(two, one)


def test_huge_words_take_no_time() -> None:
    assert are_alike("a" * 100_000, "a" * 99_999 + "b")


@given(st.sets(WORDS))
def test_words_are_found_by_their_first_character(words: set[str]) -> None:
    found = by_initial(words)
    assert {word for some in found.values() for word in some} == words
    assert all(word[0] == initial for initial, some in found.items() for word in some)
