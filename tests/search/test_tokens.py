from __future__ import annotations

import pyarrow as pa

from entity_matching.search.counting import Field
from entity_matching.search.tokens import vocabulary, word_matrix


def field(strings: list[str], weight: float = 1.0) -> Field:
    return Field(pa.array(strings, pa.large_string()), weight)


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
