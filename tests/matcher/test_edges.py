"""Awkward tables: each record gets an answer, whatever is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from entity_matching.config import MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.matcher import Matcher, match
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
    names = ["Vestas Wind Systems A/S", *AWKWARD.values()]
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
