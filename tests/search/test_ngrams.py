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
from entity_matching.search.counting import Field
from entity_matching.search.ngrams import gram_matrix
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
