"""Sources that are tables: the same records, and so the same answers, as from the file."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entity_matching.errors import InputError, SchemaError
from entity_matching.jobs.ingest.record_schema import record_schema
from entity_matching.normalize import normalize_table
from entity_matching.schema import Side

if TYPE_CHECKING:
    from tests.jobs.ingest.conftest import Desk

pytestmark = pytest.mark.spark
STAMP = dt.datetime(2020, 2, 29, 12, 30)
TYPED = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "name": ["Acme AG", " Bolt SA", "Core plc"],
        "country": ["DE", None, "Italy"],
        "isin": ["DE0007164600", "DE0007164601", None],
        "employees": pa.array([1200.0, 0.5, float("nan")]),
        "founded": pa.array([dt.date(1999, 12, 31), None, dt.date(2001, 1, 1)]),
        "seen": pa.array([STAMP, None, STAMP], pa.timestamp("us")),
        "seen at": pa.array([STAMP, None, STAMP], pa.timestamp("us", "UTC")),
        "price.eur": pa.array([decimal.Decimal("5.00"), decimal.Decimal("0.10"), None], pa.decimal128(9, 2)),
        "listed": pa.array([True, False, None]),
        "tags": pa.array([["a", "b"], [], None], pa.list_(pa.string())),
    }
)


def stored(desk: Desk, system: str) -> dict[str, dict[str, Any]]:
    from entity_matching.lakehouse.tables import SOURCE_ENTITIES  # noqa: PLC0415

    rows = [row.asDict() for row in desk.lake.read(SOURCE_ENTITIES).collect() if row["source_system"] == system]
    return {row["source_id"]: {name: row[name] for name in ("attributes", "content_hash", "row_hash")} for row in rows}


@pytest.fixture(scope="module")
def file(desk: Desk) -> str:
    path = desk.folder / "typed.parquet"
    pq.write_table(TYPED, path)
    desk.ingest(source=str(path), source_system="file")
    return str(path)


def test_a_table_gives_the_same_rows_as_the_file(desk: Desk, file: str) -> None:
    frame = desk.lake.spark.read.parquet(file)
    frame.write.format("delta").option("path", str(desk.folder / "typed")).saveAsTable("bronze.typed")
    figures = desk.ingest(source="bronze.typed", source_system="table")
    assert (figures["new"], figures["files"][0]["origin"]) == (3, "bronze.typed")
    assert stored(desk, "table") == stored(desk, "file")
    desk.ingest(source=str(desk.folder / "typed"))
    assert stored(desk, "typed") == stored(desk, "file")


def test_matching_sees_of_the_rows_what_it_sees_of_the_file(desk: Desk, file: str) -> None:
    schema = record_schema(desk.lake.settings)
    rows = stored(desk, "file")
    texts = pa.table({name: [rows[key]["attributes"][name] for key in "123"] for name in TYPED.column_names})
    assert normalize_table(texts, schema, Side.SOURCE).equals(normalize_table(TYPED, schema, Side.SOURCE))


def test_repeated_rows_of_a_table_are_told_apart_without_lines(desk: Desk) -> None:
    table = pa.table({"id": ["1", "1", "2", "2", "", ""], "name": ["A", "A", "B", "C", "D", "D"], "country": [""] * 6})
    path = desk.folder / "repeated"
    desk.lake.frame(table).write.format("delta").save(str(path))
    figures = desk.ingest(source=str(path))
    assert (figures["new"], figures["duplicates"], figures["rejected"]) == (1, 1, 4)
    assert [row["line"] for row in desk.quarantined(str(path))] == [None] * 3  # the rows that are alike are one


def test_an_empty_table_is_an_empty_day(desk: Desk) -> None:
    path = str(desk.folder / "nothing")
    frame = desk.lake.frame(pa.table({"id": ["1"], "name": ["A"], "country": [""]}))
    frame.write.format("delta").save(path)
    desk.ingest(source=path)
    frame.where("id = '2'").write.format("delta").mode("overwrite").save(path)
    assert desk.ingest(source=path)["rows"] == 0
    with pytest.raises(InputError, match="lacks 1 of the 1"):
        desk.ingest(source=path, feed="snapshot")


def test_a_table_needs_a_key(desk: Desk) -> None:
    schema = desk.file("nokey.yml", "attributes: {name: {kind: name}}")
    path = str(desk.folder / "nokey")
    desk.lake.frame(pa.table({"name": ["A"]})).write.format("delta").save(path)
    with pytest.raises(SchemaError, match="no key of the source.*the rows of .*nokey have no order.*key: {source"):
        desk.ingest(source=path, schema=schema)
