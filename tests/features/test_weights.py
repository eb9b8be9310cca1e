from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.features.weights import WordWeights, split_words

TEXTS = pa.array(["acme steel", "acme glass", "acme acme", "beta"])


def weight(*words: str) -> list[float]:
    return [float(value) for value in WordWeights.fit(TEXTS).lookup(pa.array(words, pa.string()))]


def test_a_rarer_word_tells_more_and_an_unknown_one_most() -> None:
    acme, steel, unknown = weight("acme", "steel", "zeta")
    assert acme < steel < unknown == 1.0


def test_a_word_counts_once_per_record_however_often_it_stands_there() -> None:
    weights = WordWeights.fit(pa.array(["x x x", "y", "y z"]))
    assert weights.lookup(pa.array(["x"])) == weights.lookup(pa.array(["z"]))


def test_a_word_of_every_record_tells_next_to_nothing() -> None:
    assert 0 < WordWeights.fit(pa.array(["a b", "a c"])).lookup(pa.array(["a"]))[0] < 0.02


def test_nothing_learnt_means_every_word_counts_in_full() -> None:
    assert WordWeights.fit(pa.array([], pa.string())).lookup(pa.array(["a", "b"])).tolist() == [1.0, 1.0]


def test_weights_survive_being_saved() -> None:
    weights = WordWeights.fit(TEXTS)
    again = WordWeights.from_table(weights.to_table(), weights.documents)
    words = pa.array(["acme", "beta", "zeta"])
    assert again.lookup(words).tolist() == weights.lookup(words).tolist()


def test_chunks_make_no_difference() -> None:
    chunked = pa.chunked_array([TEXTS.slice(0, 1), TEXTS.slice(1)])
    assert WordWeights.fit(chunked).lookup(pa.array(["acme"])) == WordWeights.fit(TEXTS).lookup(pa.array(["acme"]))


def test_an_empty_text_has_no_words() -> None:
    assert split_words(pa.array(["", "a b", None])).to_pylist() == [[], ["a", "b"], []]


@given(st.lists(st.text("ab ", max_size=8).map(lambda text: " ".join(text.split())), max_size=6))
def test_weights_are_shares(texts: list[str]) -> None:
    values = WordWeights.fit(pa.array(texts, pa.string())).lookup(pa.array(["a", "b", "ab"]))
    assert ((values >= 0) & (values <= 1)).all()
    assert not np.isnan(values).any()
