from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import pyarrow as pa

from entity_matching.jobs.ingest.rows import (
    CHUNK_ROWS,
    STAGED,
    Reading,
    digests,
    hash_batches,
    stage_batches,
    stage_table,
)

TYPED = pa.table(
    {
        "id": pa.array([7, 8], pa.int64()),
        "name": [" Acme AG ", None],
        "share": pa.array([2.0, float("nan")]),
        "price": pa.array([decimal.Decimal("5.00"), None], pa.decimal128(9, 2)),
        "founded": pa.array([dt.date(1999, 12, 31), None]),
        "listed": pa.array([True, None]),
        "tags": pa.array([["a", "b"], None]),
    }
)


def rows(table: pa.Table, *, key: str | None = "id", content: tuple[str, ...] = ("name",)) -> list[dict[str, Any]]:
    reading = Reading(tuple(table.column_names), key, content, "crm", "crm.parquet")
    return [
        {**row, "attributes": dict(row["attributes"])}
        for batch in stage_table(table, reading)
        for row in batch.to_pylist()
    ]


def test_values_become_the_text_that_matching_sees() -> None:
    first, second = rows(TYPED)
    assert first["attributes"] == {
        "id": "7", "name": "Acme AG", "share": "2", "price": "5", "founded": "1999-12-31", "listed": "true",
        "tags": "['a', 'b']",
    }  # fmt: skip
    assert set(second["attributes"].values()) == {"8", ""}
    assert [(row["source_system"], row["record_key"], row["origin"], row["line"]) for row in (first, second)] == [
        ("crm", "7", "crm.parquet", 1), ("crm", "8", "crm.parquet", 2),
    ]  # fmt: skip


def test_a_table_of_spark_gives_the_same_rows_but_for_lines() -> None:
    reading = Reading(tuple(TYPED.column_names), "id", ("name",), "crm", "crm.parquet")
    numbered = TYPED.rename_columns([f"c{number}" for number in range(TYPED.num_columns)])
    (batch,) = stage_batches(numbered.to_batches(), reading)
    assert batch.schema == STAGED
    assert [{**row, "attributes": dict(row["attributes"]), "line": None} for row in batch.to_pylist()] == [
        {**row, "line": None} for row in rows(TYPED)
    ]


def test_hashes_do_not_depend_on_the_order_of_columns() -> None:
    turned = TYPED.select(TYPED.column_names[::-1])
    assert [(row["content_hash"], row["row_hash"]) for row in rows(turned)] == [
        (row["content_hash"], row["row_hash"]) for row in rows(TYPED)
    ]


def test_the_content_hash_sees_what_the_schema_reads_and_the_row_hash_everything() -> None:
    def hashes(**changed: str) -> tuple[str, str]:
        (row,) = rows(
            pa.table({name: [value] for name, value in ({"id": "1", "name": "A", "note": "x"} | changed).items()})
        )
        return row["content_hash"], row["row_hash"]

    (content, whole), (other, further) = hashes(), hashes(note="y")
    assert content == other
    assert whole != further
    assert hashes(name="B")[0] != content
    assert hashes(grown="") == (content, whole)  # a column without a value is no difference
    assert hashes(grown="z")[0] == content


def test_a_value_cannot_pass_for_two() -> None:
    def one(**values: str) -> list[str]:
        return digests({name: pa.array([value]) for name, value in values.items()}, 1)

    texts = [
        {"a": "x", "b": "y"}, {"a": "x\x1fb\x1ey"}, {"a": "x\x1e\x1fb\x1ey"}, {"a": "x\x1b2b\x1b1y"}, {"b": "x"}, {},
        {"a": "xby"}, {"ax": "by"},
    ]  # fmt: skip
    assert len({one(**values)[0] for values in texts}) == len(texts)


def test_without_a_key_the_row_number_is_the_key_across_chunks() -> None:
    many = pa.table({"name": [f"n{row}" for row in range(CHUNK_ROWS + 2)]})
    found = rows(many, key=None)
    assert [row["record_key"] for row in found] == [str(row) for row in range(many.num_rows)]
    assert [row["attributes"]["name"] for row in found] == many["name"].to_pylist()
    assert found[-1]["line"] == many.num_rows


def test_stored_rows_are_hashed_as_arriving_ones() -> None:
    (row,) = rows(pa.table({"id": ["1"], "name": ["A"], "note": [""]}), content=("name", "note"))
    maps = pa.array([list(row["attributes"].items())], pa.map_(pa.string(), pa.string()))
    stored = pa.RecordBatch.from_arrays(
        [pa.array(["1"]), maps, pa.array(["old"])], names=["entity_id", "attributes", "content_hash"]
    )
    (anew,) = hash_batches([stored], content=("name", "note"))
    assert anew.column(2).to_pylist() == [row["content_hash"]]
