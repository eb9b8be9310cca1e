from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from entity_matching.search import ngrams
from entity_matching.search.ngrams import Field, gram_matrix, vocabulary, word_matrix
from entity_matching.search.sparse import weighted

texts = st.lists(st.text("ab c1é", max_size=12), min_size=1, max_size=6)


def field(strings: list[str], weight: float = 1.0) -> Field:
    return Field(pa.array(strings, pa.large_string()), weight)


def same(one: sparse.csr_matrix, other: sparse.csr_matrix) -> bool:
    pieces = ("data", "indices", "indptr")
    return all(np.array_equal(getattr(one, piece), getattr(other, piece)) for piece in pieces)


def grams(text: str) -> Counter[str]:
    padded = f" {text} " if text else ""
    return Counter(padded[at : at + size] for size in ngrams.SIZES for at in range(len(padded) - size + 1))


@given(st.lists(st.text("ab c", max_size=9), min_size=1, max_size=6))
def test_grams_are_those_of_a_plain_loop(strings: list[str]) -> None:
    matrix = gram_matrix([field(strings)])
    for row, text in enumerate(strings):
        counts = grams(text).values()
        expected = sorted(1 + math.log(count) for count in counts)
        assert sorted(matrix[[row]].data.tolist()) == pytest.approx(expected)


@given(texts)
def test_equal_grams_have_equal_columns_whatever_stands_beside(strings: list[str]) -> None:
    together = gram_matrix([field(strings)])
    for row, text in enumerate(strings):
        alone = gram_matrix([field([text])])
        assert same(together[[row]], alone)


@given(texts, texts)
def test_cosines_are_between_zero_and_one_symmetric_and_one_for_the_same(left: list[str], right: list[str]) -> None:
    columns = ngrams.GRAM_COLUMNS
    first, second = (
        weighted([(gram_matrix([field(side)]), 1.0)], np.ones(columns, np.float32)) for side in (left, right)
    )
    cosine = (first @ second.T).toarray()
    assert cosine.min(initial=0) >= 0
    assert cosine.max(initial=0) <= 1 + 1e-5
    assert (second @ first.T).toarray() == pytest.approx(cosine.T, abs=1e-6)
    own = (first @ first.T).toarray().diagonal()
    assert own == pytest.approx([1.0 if text else 0.0 for text in left], abs=1e-5)


def test_chunks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    strings = [f"name {number} of {number % 7}" for number in range(500)]
    fields = [field(strings), field(strings[::-1], 0.5)]
    words = vocabulary(fields)
    whole = gram_matrix(fields), word_matrix(fields, words, 16)
    monkeypatch.setattr(ngrams, "_CHUNK_BYTES", 100)
    assert np.array_equal(words, vocabulary(fields, threads=2))
    for one, other in zip(whole, (gram_matrix(fields, 2), word_matrix(fields, words, 16, 2)), strict=True):
        assert same(one, other)


def test_fields_add_up_with_their_weights() -> None:
    both = gram_matrix([field(["ab"]), field(["ab"], 0.5)])
    assert set(both.data.tolist()) == {1.5}


def test_words_share_beginnings_and_joined_neighbours() -> None:
    strings = ["semiconductor", "semicond", "it way", "itway", "other"]
    words = vocabulary([field(strings)])
    matrix = word_matrix([field(strings)], words, 16)
    common = (matrix @ matrix.T).toarray() > 0
    assert common[0, 1]
    assert common[2, 3]
    assert not common[4, :4].any()


def test_unknown_words_fall_behind_the_vocabulary() -> None:
    words = vocabulary([field(["alpha"])])
    known, mixed, unknown = word_matrix([field(["alpha", "alpha omega", "omega"])], words, 1 << 16)
    assert known.indices.max() < len(words)
    assert unknown.indices.min() >= len(words)
    assert set(unknown.indices) & set(mixed.indices)
    assert len(set(known.indices) & set(mixed.indices)) == 3  # the word and its two beginnings
