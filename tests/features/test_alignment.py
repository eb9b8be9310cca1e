from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.features.alignment import Alignment, Words, align, word_similarity
from entity_matching.features.weights import WordWeights

NONE = WordWeights.fit(pa.array([], pa.string()))
WORD = st.text("abc1", min_size=1, max_size=6)


def alike(one: str, two: str) -> float:
    return float(word_similarity(pa.array([one]), pa.array([two]), threads=1)[0])


def aligned(one: str, two: str, weights: WordWeights = NONE, width: int = 32) -> Alignment:
    words = Words.of(pa.array([one, two]), weights, width)
    return align(words, np.array([0]), np.array([1]), threads=1)


@pytest.mark.parametrize(
    ("one", "two", "least", "most"),
    [
        ("steel", "steel", 1.0, 1.0),
        ("plantat", "plantations", 0.9, 0.99),  # cut
        ("entmt", "entertainment", 0.7, 0.9),  # abbreviated
        ("goverment", "government", 0.9, 0.99),  # misspelt
        ("j", "john", 0.5, 0.5),  # an initial
        ("steel", "stone", 0.0, 0.0),
        ("w55", "w56", 0.0, 0.0),  # numbers and codes differ by one character, and differ
        ("2007", "2008", 0.0, 0.0),
        ("gbu421", "gbu421w6", 0.75, 0.99),  # a code with its variant
    ],
)
def test_a_word_is_recognised_cut_abbreviated_and_misspelt_but_no_other(
    one: str, two: str, least: float, most: float
) -> None:
    assert least - 1e-6 <= alike(one, two) <= most + 1e-6
    assert alike(one, two) == alike(two, one)


def test_a_word_of_100_000_letters_is_compared_in_no_time() -> None:
    assert alike("a" * 100_000, "a" * 99_999) == pytest.approx(0.99)
    assert alike("a" * 100_000, "a" * 100_000) == 1.0


def test_words_are_found_in_any_order() -> None:
    found = aligned("steel acme", "acme steel works")
    assert found.covered_source[0] == pytest.approx(1.0)
    assert found.covered_reference[0] == pytest.approx(2 / 3)
    assert found.missing_reference[0] == pytest.approx(1.0)
    assert found.words_source[0] == 2
    assert found.words_reference[0] == 3


def test_a_rare_word_that_is_missing_weighs_more_than_a_common_one() -> None:
    weights = WordWeights.fit(pa.array(["acme group", "beta group", "gamma group", "delta group"]))
    assert aligned("acme group", "group", weights).lost_source > aligned("acme group", "acme", weights).lost_source


def test_a_typo_is_covered_in_part_but_not_letter_by_letter() -> None:
    found = aligned("goverment", "government")
    assert found.exact_source[0] == 0
    assert 0.9 < found.covered_source[0] < 1


def test_numbers_and_codes_are_counted_apart() -> None:
    found = aligned("camera 10 w55 x1", "camera 10 20 w55")
    counts = (found.numbers_agree, found.numbers_source, found.numbers_reference)
    assert [count[0] for count in counts] == [1, 0, 1]
    counts = (found.codes_agree, found.codes_source, found.codes_reference)
    assert [count[0] for count in counts] == [1, 1, 0]


def test_the_most_telling_words_are_kept_when_there_are_too_many() -> None:
    weights = WordWeights.fit(pa.array(["the a", "the b", "the c"]))
    found = aligned("the the rare", "rare", weights, width=1)
    assert found.words_source[0] == 1
    assert found.covered_source[0] == pytest.approx(1.0)


def test_without_words_nothing_can_be_told() -> None:
    assert np.isnan(aligned("", "acme").covered_source[0])
    assert np.isnan(aligned("", "").covered_source[0])


def test_pairs_of_all_sizes_are_put_back_in_their_places() -> None:
    texts = ["a", "a b c", " ".join("abcdefghij"), " ".join("abcdefghijklmnopqrstuvwxyz")]
    words = Words.of(pa.array(texts), NONE, 32)
    one, two = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(4), indexing="ij"))
    sizes = np.array([1, 3, 10, 26])
    found = align(words, one, two, threads=1)
    assert found.exact_source == pytest.approx(np.minimum(sizes[one], sizes[two]) / sizes[one])


@given(st.lists(WORD, min_size=1, max_size=5), st.lists(WORD, min_size=1, max_size=5))
def test_shares_are_shares_and_the_two_sides_mirror_each_other(one: list[str], two: list[str]) -> None:
    there, back = aligned(" ".join(one), " ".join(two)), aligned(" ".join(two), " ".join(one))
    for name in ("covered", "exact", "missing"):
        source, reference = getattr(there, f"{name}_source"), getattr(there, f"{name}_reference")
        assert 0 <= source[0] <= 1 + 1e-6
        assert source == pytest.approx(getattr(back, f"{name}_reference"))
        assert reference == pytest.approx(getattr(back, f"{name}_source"))


@given(st.lists(WORD, min_size=1, max_size=6))
def test_a_text_covers_itself(words: list[str]) -> None:
    found = aligned(" ".join(words), " ".join(words))
    assert found.covered_source[0] == found.exact_source[0] == pytest.approx(1.0)
    assert found.lost_source[0] == found.numbers_source[0] == found.codes_reference[0] == 0
