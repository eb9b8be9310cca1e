"""Awkward tables: each record gets an answer, whatever is in it."""

from __future__ import annotations

import importlib
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from entity_matching.config import DittoSettings, MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.errors import LabelsError, SettingsError
from entity_matching.matcher import Matcher, match
from entity_matching.matcher.teach import Pupil
from entity_matching.schema import Schema

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies

SMALL = MatcherSettings(
    search=SearchSettings(limit=10, threads=1),
    scorer=ScorerSettings(trees=20, folds=2, synthetic_records=200, threads=1),
)

AWKWARD = {
    "nothing": "",
    "blanks": " \t ",
    "emoji": "🏦🏦",
    "control characters": "Vestas\x00\x07\u202eWind\u200b",
    "a formula": "=HYPERLINK('x')",
    "mixed scripts": "ООО «Ромашка» 中文 GmbH",
    "punctuation": "--- /// ...",
    "a number": "12345",
    "one letter": "X",
    "legal forms alone": "AG GmbH Ltd",
    "very long": "Vestas Wind Systems " * 5_000,
    "one word of ten megabytes": "a" * 10_000_000,
}


def test_awkward_names_each_get_an_answer(companies: Companies, blind: Matcher) -> None:
    source = pa.table({"source_id": list(AWKWARD), "company_name": list(AWKWARD.values())})
    source = source.append_column("country", pa.array(["Atlantis"] * len(AWKWARD)))
    source = source.append_column("isin", pa.array(["not an ISIN"] * len(AWKWARD)))
    result = blind.match(source, companies.reference).to_pylist()
    assert [row["source_key"] for row in result] == list(AWKWARD)
    assert all(0 <= row["confidence"] <= 1 and row["reason"] and len(row["reason"]) < 1_000 for row in result)
    assert {row["decision"] for row in result if row["source_key"] in ("nothing", "blanks", "emoji")} == {"no_match"}


def test_awkward_reference_records_do_no_harm(companies: Companies) -> None:
    names = ["Vestas Wind Systems A/S", *(name[:1_000_000] for name in AWKWARD.values())]  # each is learnt from, too
    reference = pa.table({"company_id": [f"R{n}" for n in range(len(names))], "company_name": names})
    source = companies.source.slice(0, 5).select(["source_id", "company_name"])
    schema = Schema.from_yaml("{key: {source: source_id, reference: company_id}, attributes: {company_name: name}}")
    assert match(source, reference, schema=schema, settings=SMALL).num_rows == 5


def test_nan_and_none_are_nothing(companies: Companies, blind: Matcher) -> None:
    source = companies.source.slice(0, 3).to_pandas()
    with_nan, with_none = source.copy(), source.copy()
    with_nan["city"] = np.nan
    with_none["city"] = pd.Series([None] * 3, dtype=object)
    without = blind.match(source.assign(city=""), companies.reference)
    assert blind.match(with_nan, companies.reference).equals(without)
    assert blind.match(with_none, companies.reference).equals(without)


def test_a_hundred_thousand_records_of_one_name_are_not_matched_to_any_of_them() -> None:
    reference = pa.table({"id": pa.array(range(100_000)).cast(pa.string()), "name": ["Acme Holdings Ltd"] * 100_000})
    source = pa.table({"id": ["a", "b"], "name": ["ACME HOLDINGS", "Acme Holdings Ltd"]})
    result = match(source, reference, settings=SMALL).to_pylist()
    assert [row["decision"] for row in result if row["decision"] == "match"] == []
    assert all(len(row["candidates"]) == SMALL.decision.listed for row in result)


@pytest.mark.parametrize("column", ["name", "title", "whatever"])
def test_one_column_is_enough(column: str) -> None:
    reference = pa.table({column: ["Vestas Wind Systems A/S", "Novo Nordisk A/S", "Carlsberg A/S", "Danske Bank A/S"]})
    source = pa.table({column: ["NOVO NORDISK", "Tivoli"]})
    result = match(source, reference, settings=SMALL).to_pylist()
    assert result[0]["entity_id"] == "1"
    assert result[1]["decision"] != "match"


# --- labels ---

NAMES = ["Vestas Wind", "Novo Nordisk", "Carlsberg", "Danske Bank", "Orsted", "Maersk", "Pandora", "Demant"]
TOWNS = Schema.from_yaml("{key: {source: id, reference: id}, attributes: {name: name, city: category}}")
MESSY = ["VESTAS W.", "Nvo Nordsk", "Calsberg A/S", "Danske Bnk", "Tivoli"]


def _towns(names: list[str], key: str) -> pa.Table:
    return pa.table({"id": [f"{key}{n}" for n in range(len(names))], "name": names, "city": ["Oslo"] * len(names)})


def _labels(*pairs: tuple[str, str | None]) -> pa.Table:
    return pa.table({"source_key": [left for left, _ in pairs], "reference_key": [right for _, right in pairs]})


@pytest.fixture(params=[False, True], ids=["features", "ditto"])
def small(request: pytest.FixtureRequest, deep_settings: MatcherSettings) -> MatcherSettings:
    """Settings without Ditto, then with it."""
    return deep_settings if request.param else SMALL


GOOD = (("s0", "r0"), ("s1", "r1"), ("s4", None))


def test_three_labels_are_enough(small: MatcherSettings) -> None:
    source, reference = _towns(MESSY, "s"), _towns(NAMES, "r")
    matcher = Matcher.train(source, reference, _labels(*GOOD), schema=TOWNS, settings=small)
    assert matcher.match(source, reference)["source_key"].to_pylist() == source["id"].to_pylist()
    assert matcher.describe()["trained_on"]["labels"] == 3
    if small.ditto is not None:
        assert list(matcher.describe()["trained_on"]["ditto"]["taught"]) == ["pretraining"]


def test_a_label_given_twice_counts_once(small: MatcherSettings) -> None:
    source, reference = _towns(MESSY, "s"), _towns(NAMES, "r")
    results = [
        match(source, reference, labels=labels, schema=TOWNS, settings=small)
        for labels in (_labels(*GOOD), _labels(*GOOD, GOOD[1]))
    ]
    assert results[0].equals(results[1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((*GOOD, ("s1", "r2")), "labels contradict each other: 's1' is 'r1' and 'r2'"),
        ((*GOOD, ("s1", None), ("s0", "r3")), r"contradict .*\(2 records have such labels\)"),
        ((("s3", None), ("s4", "")), "there is no match among"),
        ((("x1", "r1"),), "none of the 1 labels"),
        ((("s1", "x1"),), "the first is 'x1'"),
    ],
    ids=["contradiction", "two contradictions", "one class", "unknown source", "unknown reference"],
)
def test_labels_that_cannot_be_learnt_from_are_refused_before_ditto_is_taught(
    small: MatcherSettings, monkeypatch: pytest.MonkeyPatch, labels: Any, message: str
) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("Ditto was taught")

    monkeypatch.setattr(Pupil, "taught", fail)
    with pytest.raises(LabelsError, match=message):
        Matcher.train(_towns(MESSY, "s"), _towns(NAMES, "r"), _labels(*labels), schema=TOWNS, settings=small)


# --- with Ditto ---


def test_empty_and_huge_values_do_no_harm_to_ditto(deep_settings: MatcherSettings) -> None:
    huge = ["", " ", "x" * 100_000, "Vestas " * 15_000]
    source, reference = _towns([*MESSY, *huge], "s"), _towns([*NAMES, *huge], "r")
    started = time.process_time()
    matcher = Matcher.train(source, reference, schema=TOWNS, settings=deep_settings)
    result = matcher.without_cascade().match(source, reference).to_pylist()
    assert time.process_time() - started < 60
    assert [row["source_key"] for row in result] == source["id"].to_pylist()
    assert all(0 <= row["confidence"] <= 1 and len(row["reason"]) < 1_000 for row in result)
    pairs = _labels(("s5", "r8"), ("s7", "r10"), ("s7", "r11"))
    found = matcher.contributions(source, reference, pairs)
    assert np.isfinite(found["contribution"].to_numpy()).all()


def test_an_unknown_encoder_is_refused_at_once(deep_settings: MatcherSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network; not a record is looked at before."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    def fail(*_: Any) -> None:
        raise AssertionError("the reference was prepared")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(importlib.import_module("huggingface_hub"), "file_exists", refuse)
    monkeypatch.setattr("entity_matching.matcher.train.Reference.prepare", fail)
    settings = replace(deep_settings, ditto=DittoSettings(encoder="nobody/no-such-encoder"))
    started = time.monotonic()
    with pytest.raises(
        SettingsError, match="'nobody/no-such-encoder' is no folder here.*'minilm', which needs no network"
    ):
        Matcher.train(_towns(MESSY, "s"), _towns(NAMES, "r"), schema=TOWNS, settings=settings)
    assert time.monotonic() - started < 30
