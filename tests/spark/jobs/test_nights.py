"""The jobs give the same on Apache Spark as on Sail, and as the matcher in memory."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from entity_matching.files import read_table
from entity_matching.jobs import run_matching
from entity_matching.jobs.job import Context
from entity_matching.jobs.models import model_folder
from entity_matching.jobs.run_matching import RunMatchingParameters
from entity_matching.lakehouse.tables import MODEL_COMPARISONS, TABLES, VIEWS
from entity_matching.matcher import Matcher

if TYPE_CHECKING:
    from tests.spark.jobs.conftest import Nights

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(900),  # the first test waits for the server
]

ANSWER = ("decision", "entity_id", "confidence", "method", "reason")
PLACES = ("folder", "volume")
"""Figures that say where something is."""
OURS = [*ANSWER, "candidates"]


@pytest.mark.parametrize("name", [thing.full_name for thing in (*TABLES, *VIEWS)])
def test_a_table_holds_the_same_rows_as_on_sail(on_spark: Nights, on_sail: Nights, name: str) -> None:
    for there, here in zip(on_spark.tables, on_sail.tables, strict=True):
        assert there[name] == here[name]
    assert on_spark.tables[-1][name] or name == MODEL_COMPARISONS.full_name


def test_every_row_meets_the_checks_of_its_table(on_spark: Nights) -> None:
    for table in TABLES:
        for name, condition in table.checks:
            assert on_spark.lake.read(table).where(f"NOT ({condition})").isEmpty(), name


def test_jobs_tell_the_same_figures_as_on_sail(on_spark: Nights, on_sail: Nights) -> None:
    for there, here in zip(on_spark.figures, on_sail.figures, strict=True):
        assert {name: there[name] for name in there if name not in PLACES} == {
            name: here[name] for name in here if name not in PLACES
        }
    assert on_spark.model == on_sail.model


def test_what_can_become_of_a_record_became_of_one(on_spark: Nights) -> None:
    first, second = on_spark.tables
    assert {row["method"] for row in first["gold.matched_entities"]} == {"identifier", "exact_name", "scored"}
    causes = {row["cause"] for row in second["silver.exact_matches"] if row["run_id"] == "night-2"}
    assert {"new", "changed", "reference"} <= causes
    history = second["gold.match_history"]
    assert {"review", "removed"} <= {row["cause"] for row in history}
    reviewed = [row for row in second["gold.matched_entities"] if row["method"] == "review"]
    assert sorted(row["decision"] for row in reviewed) == ["match", "no_match"]
    assert {row["side"] for row in second["bronze.quarantine"]} == {"source"}


def test_records_are_decided_as_the_matcher_in_memory_decides_them(on_spark: Nights) -> None:
    matcher = Matcher.load(model_folder(on_spark.lake.settings))
    tables = on_spark.tables[0]
    came = [row for row in tables["bronze.source_entities"] if row["source_system"] == "crm"]
    source = pa.Table.from_pylist([dict(row["attributes"]) for row in came])
    reference = pa.Table.from_pylist([dict(row["attributes"]) for row in tables["bronze.reference_entities"]])
    expected = {row["source_key"]: row for row in matcher.match(source, reference).to_pylist()}
    gold = [row for row in tables["gold.matched_entities"] if row["source_system"] == "crm"]
    assert len(gold) == len(expected) == 59
    for row in gold:
        wanted = expected[row["source_id"]]
        assert {name: row[name] for name in ANSWER} == {name: wanted[name] for name in ANSWER}
        if row["method"] == "scored":
            assert row["candidates"] == wanted["candidates"]


def _in_memory(nights: Nights, source: pa.Table) -> list[dict[str, Any]]:
    reference = read_table(nights.files("reference-2.csv"))
    rows: list[dict[str, Any]] = Matcher.load(model_folder(nights.lake.settings)).match(source, reference).to_pylist()
    return rows


def _matched(nights: Nights, source: str, **given: Any) -> pa.Table:
    output = nights.files(f"{source.rpartition('/')[2]}.parquet")
    parameters = RunMatchingParameters(source_table=source, output_table=output, **given)
    figures = run_matching.JOB.recorded(Context(nights.lake, "adhoc"), parameters)
    found = read_table(output)
    assert figures["records"] == found.num_rows
    return found


def test_any_file_is_matched_as_in_memory(on_spark: Nights) -> None:
    source = read_table(on_spark.files("crm-2.csv"))
    found = _matched(on_spark, on_spark.files("crm-2.csv"), partitions=3, batch_rows=7)
    assert found.select(source.column_names).to_pylist() == source.to_pylist()
    expected = _in_memory(on_spark, source)
    assert found.select(OURS).to_pylist() == [{name: row[name] for name in OURS} for row in expected]


def test_chosen_rows_of_a_typed_table_are_matched_as_in_memory(on_spark: Nights) -> None:
    found = _matched(on_spark, "landing.erp", filter="employees IS NOT NULL AND listed < DATE'2000-01-31'")
    given = on_spark.files.erp.filter(pc.field("employees").is_valid() & (pc.field("listed") < date(2000, 1, 31)))
    assert 0 < given.num_rows < on_spark.files.erp.num_rows
    assert found.num_rows == given.num_rows
    keys = given["source_id"].cast(pa.string())
    expected = _in_memory(on_spark, given.set_column(0, "source_id", keys))
    assert sorted(found.select(OURS).to_pylist(), key=str) == sorted(
        ({name: row[name] for name in OURS} for row in expected), key=str
    )
