from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from entity_matching.errors import EntityMatchingError, SettingsError
from entity_matching.jobs import exact_match
from entity_matching.jobs.exact_match import ExactMatchParameters
from entity_matching.jobs.parameters import parse
from entity_matching.jobs.pending import PendingSettings
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.tables import EXACT_MATCHES
from entity_matching.matcher import Matcher

if TYPE_CHECKING:
    from tests.jobs.conftest import Bronze, Companies, OpenLake, RunContext

pytestmark = pytest.mark.spark


def _rows(lake: Lakehouse, run_id: str) -> dict[str, dict[str, Any]]:
    rows = lake.read(EXACT_MATCHES).where(f"run_id = '{run_id}'").toArrow().to_pylist()
    found = {row["source_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def first(lake: Lakehouse, run_context: RunContext) -> dict[str, Any]:
    """Do the job once; returns its figures."""
    return dict(exact_match.JOB.recorded(run_context(lake, "first"), ExactMatchParameters()))


def test_there_is_one_row_per_record_decided_as_the_matcher_does(
    lake: Lakehouse, companies: Companies, deep_matcher: Matcher, first: dict[str, Any]
) -> None:
    rows = _rows(lake, "first")
    expected = deep_matcher.match(companies.source, companies.reference).to_pylist()
    exact = {row["source_key"]: row for row in expected if row["method"] in ("identifier", "exact_name")}
    assert set(rows) == {row["source_key"] for row in expected}
    assert {key for key, row in rows.items() if row["entity_id"] is not None} == set(exact)
    assert {row["method"] for row in exact.values()} == {"identifier", "exact_name"}
    for key, row in exact.items():
        assert all(rows[key][name] == row[name] for name in ("entity_id", "confidence", "method", "reason"))
    for key in set(rows) - set(exact):
        assert [rows[key][name] for name in ("entity_id", "confidence", "method", "reason")] == [None] * 4


def test_a_row_says_why_and_with_what_it_was_looked_at(lake: Lakehouse, first: dict[str, Any]) -> None:
    row = next(iter(_rows(lake, "first").values()))
    assert row["cause"] == "new"
    assert row["model_version"] == first["model_version"] == "deep"
    assert row["reference_version"] == first["reference_version"]
    assert row["source_system"] == "crm"
    assert row["matched_at"].isoformat() == "2026-03-01T04:00:00+00:00"


def test_the_figures_count_what_was_found(lake: Lakehouse, first: dict[str, Any]) -> None:
    rows = _rows(lake, "first").values()
    assert first["records"] == len(rows) == 80
    assert first["causes"] == {"new": 80}
    assert first["methods"]["to_score"] == sum(row["entity_id"] is None for row in rows)
    assert sum(first["methods"].values()) == 80
    assert first["conflicts"] == sum(row["conflict"] is not None for row in rows)


@pytest.mark.parametrize(("partitions", "batch_rows"), [(3, 7), (1, 1)])
def test_neither_partitions_nor_batches_matter_and_a_run_can_be_repeated(
    lake: Lakehouse, run_context: RunContext, first: dict[str, Any], partitions: int, batch_rows: int
) -> None:
    before = _rows(lake, "first")
    given = ExactMatchParameters(partitions=partitions, batch_rows=batch_rows)
    assert exact_match.JOB.recorded(run_context(lake, "first"), given) == first
    assert _rows(lake, "first") == before


def test_another_model_can_be_asked_for(lake: Lakehouse, run_context: RunContext) -> None:
    figures = exact_match.JOB.recorded(run_context(lake, "plain"), ExactMatchParameters(model="plain"))
    assert figures["model_version"] == "plain"
    with pytest.raises(EntityMatchingError, match="no model 'none'"):
        exact_match.JOB.recorded(run_context(lake, "none"), ExactMatchParameters(model="none"))


def test_a_contradicted_identifier_is_noted_not_decided(
    open_lake: OpenLake, bronze: Bronze, companies: Companies, plain_matcher: Matcher, run_context: RunContext
) -> None:
    lake = open_lake()
    bronze.example(lake, plain=plain_matcher)
    name, country = (companies.reference[column][0].as_py() for column in ("company_name", "country"))
    elsewhere = "Peru" if country != "Peru" else "Chad"
    row = dict.fromkeys(companies.source.column_names, "") | {"source_id": "X", "company_name": name}
    bronze.source(lake, pa.Table.from_pylist([row | {"country": elsewhere}]))
    exact_match.JOB.recorded(run_context(lake, "r"), ExactMatchParameters())
    found = _rows(lake, "r")["X"]
    assert found["entity_id"] is None
    assert found["conflict"] == "country"


def test_without_source_records_there_is_nothing_to_do(
    open_lake: OpenLake, bronze: Bronze, companies: Companies, plain_matcher: Matcher, run_context: RunContext
) -> None:
    lake = open_lake()
    bronze.example(lake, plain=plain_matcher)
    lake.sql(f"DELETE FROM {lake.name(EXACT_MATCHES)}")
    lake.spark.sql("DELETE FROM bronze.source_entities")
    figures = exact_match.JOB.recorded(run_context(lake, "empty"), ExactMatchParameters())
    assert (figures["records"], figures["methods"]) == (0, {})


def test_the_rule_of_what_a_change_concerns_can_be_set() -> None:
    assert ExactMatchParameters().pending_settings() == PendingSettings()
    asked = ["--most-changed", "0", "--nearest", "5", "--doubt", "0.2", "--batch-rows", "7"]
    given = parse(ExactMatchParameters, asked, program="exact-match", description="")
    assert given.pending_settings() == PendingSettings(most_changed=0, nearest=5, doubt=0.2, batch_rows=7)
    with pytest.raises(SettingsError, match="--most-changed"):
        parse(ExactMatchParameters, ["--most-changed", "1.5"], program="exact-match", description="")
