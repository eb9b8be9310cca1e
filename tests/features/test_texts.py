from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.features import Block, Pairs, TextLimits
from entity_matching.features.texts import compare_texts
from entity_matching.features.weights import WordWeights

TEXT = st.text("abc 12", max_size=20).map(lambda text: " ".join(text.split()))
SHARES = ("ratio", "jaro_winkler", "sorted", "set", "inside_source", "inside_reference", "start", "acronym")


def compared(one: str, two: str, characters: int = 400) -> Block:
    sources, references = pa.array([one], pa.string()), pa.array([two], pa.string())
    table = pa.table({"text": sources})
    pairs = Pairs(table, table, np.array([0]), np.array([0]))
    weights = WordWeights.fit(pa.array([], pa.string()))
    return compare_texts(sources, references, pairs, "t", weights, TextLimits(characters, threads=1))


def value(one: str, two: str, name: str) -> float:
    return float(compared(one, two).column(f"t.{name}")[0])


def test_spaces_do_not_matter_to_the_share_of_letters() -> None:
    assert value("wal mart", "walmart", "ratio") == 1.0


def test_the_order_of_words_does_not_matter_once_they_are_sorted() -> None:
    assert value("steel acme", "acme steel", "sorted") == 1.0
    assert value("steel acme", "acme steel", "ratio") < 1.0


def test_words_only_one_has_do_not_matter_to_the_set() -> None:
    assert value("acme steel", "acme steel works of ohio", "set") == 1.0


def test_a_cut_text_is_inside_the_whole_and_begins_it() -> None:
    assert value("televis fran", "television francaise", "inside_source") == 1.0
    assert value("television fra", "television francaise", "start") == 1.0
    assert value("television francaise", "televis fran", "inside_source") < 1.0


def test_initials_are_an_acronym_but_one_letter_is_not() -> None:
    assert value("ibm", "international business machines", "acronym") == 1.0
    assert value("international business machines", "ibm", "acronym") == 1.0
    assert value("i", "international", "acronym") == 0.0


@pytest.mark.parametrize(("one", "two"), [("", "acme"), ("acme", ""), ("", "")])
def test_a_missing_text_leaves_the_letters_unknown(one: str, two: str) -> None:
    block = compared(one, two)
    assert all(np.isnan(block.column(f"t.{name}")[0]) for name in SHARES)
    assert np.isnan(block.column("t.covered_source")[0])


def test_letters_behind_the_limit_are_not_compared() -> None:
    block = compared("acme" + "x" * 50, "acme" + "y" * 50, characters=4)
    assert block.column("t.ratio")[0] == 1.0


def test_texts_of_100_000_characters_are_compared_in_no_time() -> None:
    long = "word" * 25_000
    assert compared(long, long).column("t.ratio")[0] == 1.0
    many = " ".join(f"w{number}" for number in range(20_000))
    assert compared(many, many).column("t.covered_source")[0] == pytest.approx(1.0)


@given(TEXT, TEXT)
def test_shares_lie_between_0_and_1(one: str, two: str) -> None:
    values = compared(one, two).matrix([f"t.{name}" for name in (*SHARES, "covered_source", "first")])
    known = values[~np.isnan(values)]
    assert ((known >= 0) & (known <= 1 + 1e-6)).all()


@given(TEXT.filter(bool))
def test_a_text_is_like_itself(text: str) -> None:
    block = compared(text, text)
    for name in ("ratio", "jaro_winkler", "sorted", "set", "inside_source", "start", "covered_source", "exact_source"):
        assert block.column(f"t.{name}")[0] == pytest.approx(1.0)


@given(TEXT, TEXT)
def test_likeness_has_no_direction(one: str, two: str) -> None:
    there, back = compared(one, two), compared(two, one)
    for name in ("ratio", "sorted", "set", "start", "acronym"):
        assert there.column(f"t.{name}")[0] == pytest.approx(back.column(f"t.{name}")[0], nan_ok=True)
