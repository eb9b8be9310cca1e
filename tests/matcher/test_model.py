"""The two steps of a decision, and what they tell beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.matcher import Matcher
from entity_matching.matcher.reference import Reference
from entity_matching.normalize import normalize_table
from entity_matching.schema import Side

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies


@pytest.fixture(scope="module")
def sources(deep_taught: Matcher, listings: Companies) -> pa.Table:
    return normalize_table(listings.source, deep_taught.schema, Side.SOURCE).combine_chunks()


@pytest.fixture(scope="module")
def reference(deep_taught: Matcher, listings: Companies) -> Reference:
    return deep_taught.prepare(listings.reference)


@pytest.fixture(scope="module")
def scored(deep_taught: Matcher, sources: pa.Table, reference: Reference) -> pa.Table:
    """Return all records scored, even those that the exact stage would have decided."""
    none = np.full(sources.num_rows, "", dtype=object)
    parts = [part.to_table(sources, reference) for part in deep_taught.model.score(sources, reference, none)]
    return pa.concat_tables(parts)


def test_what_is_settled_and_what_is_scored_make_up_the_decision(
    deep_taught: Matcher, sources: pa.Table, reference: Reference
) -> None:
    model = deep_taught.model
    settled, conflicts = model.settle(sources, reference)
    assert 0 < len(settled.rows) < sources.num_rows
    rest = np.setdiff1d(np.arange(sources.num_rows), settled.rows)
    parts = [settled.to_table(sources, reference)]
    for half in np.array_split(rest, 2):
        some = sources.take(pa.array(half)).combine_chunks()
        parts += [part.decided.to_table(some, reference) for part in model.score(some, reference, conflicts[half])]
    order = pa.array(np.argsort(np.r_[settled.rows, rest], kind="stable"))
    assert pa.concat_tables(parts).take(order).combine_chunks().equals(model.decide(sources, reference))


def test_listed_candidates_are_told_in_order_with_what_each_stage_said(deep_taught: Matcher, scored: pa.Table) -> None:
    listed = deep_taught.settings.decision.listed
    for row in scored.to_pylist():
        candidates = row["candidates"]
        assert [candidate["rank"] for candidate in candidates] == list(range(1, len(candidates) + 1))
        assert len(candidates) == min(listed, row["asked"])
        assert [candidate["confidence"] for candidate in candidates] == sorted(
            (candidate["confidence"] for candidate in candidates), reverse=True
        )
        for candidate in candidates:
            for name in ("search_score", "feature_score", "confidence"):
                assert 0 <= candidate[name] <= 1
            assert round(candidate["search_score"], 5) == candidate["search_score"]


def test_ditto_has_a_score_only_for_the_candidates_it_read(deep_taught: Matcher, scored: pa.Table) -> None:
    settings = deep_taught.settings.cascade
    rows = scored.to_pylist()
    for row in rows:
        for candidate in row["candidates"]:
            was_read = settings.low <= candidate["feature_score"] <= settings.high
            assert (candidate["ditto_score"] is not None) == was_read
            assert not was_read or 0 <= candidate["ditto_score"] <= 1
        read = sum(candidate["ditto_score"] is not None for candidate in row["candidates"])
        assert read <= row["asked_ditto"] <= row["asked"]
    assert 0 < sum(row["asked_ditto"] for row in rows) < sum(row["asked"] for row in rows)


def test_a_model_without_ditto_tells_no_score_of_it(taught: Matcher, companies: Companies) -> None:
    reference = taught.prepare(companies.reference)
    sources = normalize_table(companies.source.slice(0, 20), taught.schema, Side.SOURCE).combine_chunks()
    none = np.full(sources.num_rows, "", dtype=object)
    tables = [part.to_table(sources, reference) for part in taught.model.score(sources, reference, none)]
    rows = pa.concat_tables(tables).to_pylist()
    assert len(rows) == 20
    assert {row["asked_ditto"] for row in rows} == {0}
    assert {candidate["ditto_score"] for row in rows for candidate in row["candidates"]} == {None}


def test_a_contradicted_exact_match_is_left_to_scoring_and_said(taught: Matcher, companies: Companies) -> None:
    reference = taught.prepare(companies.reference)
    name = companies.reference["company_name"][0].as_py()
    country = "Peru" if companies.reference["country"][0].as_py() != "Peru" else "Chad"
    given = pa.table({"source_id": ["X"], "company_name": [name], "country": [country], "city": [""]})
    sources = normalize_table(given, taught.schema, Side.SOURCE).combine_chunks()
    settled, conflicts = taught.model.settle(sources, reference)
    assert len(settled.rows) == 0
    assert conflicts.tolist() == ["country"]
    (part,) = taught.model.score(sources, reference, conflicts)
    assert part.decided.reason[0].endswith("an exact match was contradicted by country")
