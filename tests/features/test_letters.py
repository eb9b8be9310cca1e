from __future__ import annotations

import pyarrow as pa
import pytest
from rapidfuzz.distance import Indel, Prefix

from entity_matching.features import TextLimits
from entity_matching.features.letters import glued, initials, measured


def test_pairs_are_measured_one_by_one_and_the_same_by_any_number_of_threads() -> None:
    one, two = ["acme"] * 50 + [""], ["acne"] * 50 + ["acme"]
    found = [measured(one, two, Indel.normalized_similarity, TextLimits(threads=count)) for count in (1, 2)]
    assert found[0].tolist() == found[1].tolist()
    assert found[0][0] == pytest.approx(0.75) and found[0][-1] == 0.0
    assert measured(one, two, Prefix.similarity, TextLimits(threads=1))[0] == 2.0


def test_no_pairs_are_measured_as_none() -> None:
    assert measured([], [], Indel.normalized_similarity, TextLimits(threads=1)).shape == (0,)


def test_texts_without_spaces_and_by_initials() -> None:
    texts = pa.array(["internet initiative japan", "ærø øl", "", "3 m", None])
    assert glued(texts).to_pylist() == ["internetinitiativejapan", "ærøøl", "", "3m", None]
    assert initials(texts).to_pylist() == ["iij", "æø", "", "3m", None]
