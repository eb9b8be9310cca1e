from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching import lookup
from entity_matching.lookup import Lookup

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)


@pytest.fixture(scope="module", autouse=True)
def always_few() -> Iterator[None]:
    """Take any number of values for few, so that small arrays are sorted, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "_SEARCHED", 0)
        yield


@given(st.lists(st.none() | TEXTS), st.lists(TEXTS))
def test_the_places_are_the_same_however_often_it_is_asked(values: list[str | None], wanted: list[str]) -> None:
    known, asked = Lookup(pa.array(values, pa.string())), pa.array(wanted, pa.large_string())
    places = {text: [place for place, value in enumerate(values) if value == text] for text in wanted}
    for _ in range(lookup._WARMED + 2):
        assert known.any(asked).tolist() == [places[text][0] if places[text] else -1 for text in wanted]
        assert known.only(asked).tolist() == [places[text][0] if len(places[text]) == 1 else -1 for text in wanted]


def test_nothing_is_found_where_nothing_is_wanted_or_known() -> None:
    known = Lookup(pa.array(["a", None]))
    for _ in range(lookup._WARMED + 2):
        assert known.any(pa.array([None, "b"], pa.string())).tolist() == [-1, -1]
    assert Lookup(pa.array([], pa.string())).any(pa.array(["a"])).tolist() == [-1]


def test_another_process_finds_the_same() -> None:
    """Texts have other hashes there."""
    known = Lookup(pa.array(["a", "b", "c"]))
    for _ in range(lookup._WARMED + 1):
        known.any(pa.array(["c"]))
    code = "import pickle, sys, pyarrow as pa; from entity_matching import lookup; lookup._SEARCHED = 0;"
    code += "known = pickle.loads(sys.stdin.buffer.read());"
    code += "print([known.any(pa.array(['c', 'b'])).tolist() for _ in range(lookup._WARMED + 2)][-1])"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(known), capture_output=True, check=True)
    assert done.stdout.split() == [b"[2,", b"1]"]
