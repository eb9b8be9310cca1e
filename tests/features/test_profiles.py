from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.features import Pairs
from entity_matching.features.profiles import profile_features
from entity_matching.features.weights import WordWeights

TEXT = st.text("abé1 ", max_size=16).map(lambda text: " ".join(text.split()))
KNOWN = WordWeights.fit(pa.array(["acme group", "beta group", "gamma group"]))


def likeness(one: str, two: str, weights: WordWeights = KNOWN) -> tuple[float, float]:
    row = np.zeros(1, dtype=np.int64)
    pairs = Pairs(pa.table({}), pa.table({}), row, row)
    block = profile_features(pa.array([one], pa.string()), pa.array([two], pa.string()), pairs, "p", weights)
    return float(block.column("p.words_cosine")[0]), float(block.column("p.grams_cosine")[0])


def test_the_order_of_words_does_not_matter() -> None:
    assert likeness("steel acme", "acme steel") == pytest.approx((1.0, 1.0))


def test_a_rare_word_in_common_counts_more_than_a_common_one() -> None:
    rare, common = likeness("acme group", "acme steel"), likeness("acme group", "steel group")
    assert rare[0] > common[0]
    assert rare[1] > common[1]


def test_a_misspelt_word_is_alike_in_letters_only() -> None:
    words, grams = likeness("goverment", "government")
    assert words == 0.0
    assert 0.5 < grams < 1.0


def test_texts_with_nothing_in_common_are_unlike() -> None:
    assert likeness("xyz", "acme") == (0.0, 0.0)


def test_an_empty_text_is_unknown() -> None:
    assert np.isnan(likeness("", "acme")).all()
    assert np.isnan(likeness("", "")).all()


def test_a_text_of_100_000_characters_is_like_itself() -> None:
    assert likeness("word " * 20_000 + "end", "word " * 20_000 + "end") == pytest.approx((1.0, 1.0))
    assert likeness("a" * 100_000, "a" * 100_000) == pytest.approx((1.0, 1.0))


@given(TEXT, TEXT)
def test_likeness_is_a_share_and_has_no_direction(one: str, two: str) -> None:
    there, back = likeness(one, two), likeness(two, one)
    assert there == pytest.approx(back, nan_ok=True)
    assert all(np.isnan(value) or 0 <= value <= 1 for value in there)


@given(TEXT.filter(bool))
def test_a_text_is_like_itself(text: str) -> None:
    assert likeness(text, text) == pytest.approx((1.0, 1.0))
