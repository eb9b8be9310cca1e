from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from entity_matching.search import counting
from entity_matching.search.counting import Field
from entity_matching.search.ngrams import gram_matrix
from entity_matching.search.tokens import vocabulary, word_matrix


def field(strings: list[str], weight: float = 1.0) -> Field:
    return Field(pa.array(strings, pa.large_string()), weight)


def same(one: sparse.csr_matrix, other: sparse.csr_matrix) -> bool:
    pieces = ("data", "indices", "indptr")
    return all(np.array_equal(getattr(one, piece), getattr(other, piece)) for piece in pieces)


def test_chunks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    strings = [f"name {number} of {number % 7}" for number in range(500)]
    fields = [field(strings), field(strings[::-1], 0.5)]
    words = vocabulary(fields)
    whole = gram_matrix(fields), word_matrix(fields, words, 16)
    monkeypatch.setattr(counting, "_CHUNK_BYTES", 100)
    assert np.array_equal(words, vocabulary(fields, threads=2))
    for one, other in zip(whole, (gram_matrix(fields, 2), word_matrix(fields, words, 16, 2)), strict=True):
        assert same(one, other)


def test_fields_add_up_with_their_weights() -> None:
    both = gram_matrix([field(["ab"]), field(["ab"], 0.5)])
    assert set(both.data.tolist()) == {1.5}


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 8 fields, got 9"):
        gram_matrix([field(["a"])] * 9)


def test_a_sliced_column_is_read_from_where_it_begins() -> None:
    strings = pa.array(["first", "second", "third"], pa.large_string())
    whole, part = gram_matrix([Field(strings, 1.0)]), gram_matrix([Field(strings.slice(1, 1), 1.0)])
    assert same(whole[[1]], part)
