from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from entity_matching.files import read_table
from entity_matching.matcher import Matcher

Command = Callable[..., Any]


def test_what_each_attribute_adds_is_shown(command: Command, towns: Any) -> None:
    done = command("explain", towns.deep, towns.source, towns.reference, "--pair", "S1=E1")
    assert done.code == 0, done.err
    for text in ("What each attribute adds", "S1", "E1", "name", "city", "contribution"):
        assert text in done.out


def test_json_is_what_the_python_call_gives(command: Command, towns: Any) -> None:
    done = command("explain", towns.deep, towns.source, towns.reference, "--pair", "S1=E1", "--pair", "S3=E9", "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)["contributions"]
    pairs = read_table(towns.labels).slice(0, 1).rename_columns(["source_key", "reference_key"])
    source, reference = read_table(towns.source), read_table(towns.reference)
    assert rows[:2] == Matcher.load(towns.deep).contributions(source, reference, pairs).to_pylist()
    assert [(row["source_key"], row["reference_key"], row["attribute"]) for row in rows] == [
        ("S1", "E1", "name"), ("S1", "E1", "city"), ("S3", "E9", "name"), ("S3", "E9", "city"),
    ]  # fmt: skip
    for row in rows:
        assert 0 <= row["probability"] <= 1
        assert -1 <= row["contribution"] <= 1


@pytest.mark.parametrize(
    ("pair", "where"),
    [
        ("S1=E99", "the pairs, row 2, column 'reference_key': there is no record with the key 'E99'"),
        ("X=E1", "the pairs, row 2, column 'source_key': there is no record with the key 'X'"),
        ("=E1", "the pairs, row 2, column 'source_key': there is no record with the key ''"),
    ],
)
def test_an_unknown_key_is_named_with_its_pair(command: Command, towns: Any, pair: str, where: str) -> None:
    done = command("explain", towns.deep, towns.source, towns.reference, "--pair", "S1=E1", "--pair", pair)
    assert done.code == 1
    assert f"Error: {where}" in done.err
    assert done.out == ""


def test_what_is_no_pair_is_wrong_use(command: Command, towns: Any) -> None:
    done = command("explain", towns.deep, towns.source, towns.reference, "--pair", "S1=E1", "--pair", "S1:E1")
    assert done.code == 2
    assert "'S1:E1' is not two keys with '=' between them" in " ".join(done.err.replace("│", "").split())


def test_at_least_one_pair_is_needed(command: Command, towns: Any) -> None:
    done = command("explain", towns.deep, towns.source, towns.reference)
    assert done.code == 2
    assert "--pair" in done.err


def test_a_model_without_ditto_says_how_to_get_one(command: Command, towns: Any) -> None:
    done = command("explain", towns.plain, towns.source, towns.reference, "--pair", "S1=E1")
    assert done.code == 1
    assert "needs a model with Ditto; this one has none. Train one with --ditto." in done.err


def test_a_folder_without_a_model_is_named(command: Command, towns: Any) -> None:
    done = command("explain", towns.path / "nowhere", towns.source, towns.reference, "--pair", "S1=E1")
    assert done.code == 1
    assert "There is no model in" in done.err


def test_a_key_with_brackets_is_shown_as_it_is(command: Command, towns: Any) -> None:
    """Brackets mean colours to what prints the table."""
    source = towns.path / "brackets.csv"
    source.write_text("source_id,name,city\n[red]7,AARHUS BREWE,Aarhus\n")
    done = command("explain", towns.deep, source, towns.reference, "--pair", "[red]7=E0")
    assert done.code == 0, done.err
    assert "[red]7" in done.out
