"""What the lakehouse asks of a Spark server, asked of Apache Spark's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, catalog, open_lakehouse
from entity_matching.lakehouse.failures import explained
from entity_matching.lakehouse.names import literal, quoted
from entity_matching.lakehouse.staging import LARGEST_MESSAGE
from entity_matching.lakehouse.tables import TABLES, VIEWS

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(900),  # the first test waits for the server
]

ODD = [
    "a-b",
    "a.b",
    "it's",
    'say "so"',
    "back`tick",
    "back\\slash",
    "\\n\n\t",
    "{run}",
    "$1 %s",
    "größe",
    "公司 🦊",
    " ",
]


@pytest.mark.parametrize("text", ODD)
def test_any_text_comes_back_as_a_literal_and_as_a_name(lake: Lakehouse, text: str) -> None:
    found = lake.sql(f"SELECT {literal(text)} AS {quoted(text)} WHERE {literal(text)} = {literal(text)}").toArrow()
    assert found.to_pylist() == [{text: text}]


def test_tables_and_views_are_made_once_with_the_columns_they_are_said_to_have(lake: Lakehouse) -> None:
    lake.create()
    assert lake.create() == []
    lake.check()
    for thing in (*TABLES, *VIEWS):
        fields = lake.read(thing).schema.fields
        assert [field.name for field in fields] == [column.name for column in thing.columns]
        kinds = [field.dataType.simpleString() for field in fields]
        assert kinds == [column.type.lower().replace(", ", ",").replace(": ", ":") for column in thing.columns]


def test_frames_keep_types_and_rows_whether_sent_or_read_from_a_file(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 3, 1, 4, 5, 6, 789_012, tzinfo=UTC)
    table = pa.table(
        {
            "a.b": ["x", None],
            "at": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "share": pa.array([0.1, None], pa.float64()),
            "count": pa.array([1, None], pa.int32()),
            "attributes": pa.array([[("k'", "v"), ("", None)], []], pa.map_(pa.string(), pa.string())),
            "candidates": pa.array([[{"entity_id": "E", "confidence": 0.5}], []]),
        }
    )
    for most in (LARGEST_MESSAGE, 0):
        monkeypatch.setattr(catalog, "LARGEST_MESSAGE", most)
        frame = lake.frame(table)
        assert frame.toArrow().to_pylist() == table.to_pylist()
        assert dict(frame.dtypes)["at"] == "timestamp"
        empty = lake.frame(table.slice(0, 0))
        assert (empty.dtypes, empty.count()) == (frame.dtypes, 0)


def test_a_frame_stands_in_a_statement_under_a_name(lake: Lakehouse) -> None:
    rows = lake.frame(pa.table({"n": [1, 2, 3]}))
    assert lake.sql("SELECT sum(n) AS n FROM {rows}", rows=rows).collect()[0]["n"] == 6


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT * FROM gold.nowhere", r"has no table or view `gold`\.`nowhere`.*setup-unity-catalog"),
        ("SELECT * FROM elsewhere.gold.nowhere", r"knows no catalog 'elsewhere'"),
        ("SELECT 1 / (id - id) FROM range(2)", "Spark could not do it: .*DIVIDE_BY_ZERO"),
        ("SELECT CAST(concat('x', id) AS INT) FROM range(2)", "Spark could not do it: .*CAST_INVALID_INPUT"),
        ("SELEKT 1", "Spark could not do it: .*PARSE_SYNTAX_ERROR"),
        ("SELECT nothing FROM range(2)", "Spark could not do it: .*UNRESOLVED_COLUMN"),
    ],
)
def test_an_error_is_told_in_words_and_only_once(
    lake: Lakehouse, capfd: pytest.CaptureFixture[str], statement: str, told: str
) -> None:
    with pytest.raises(EntityMatchingError, match=told) as raised, explained(lake.settings):
        lake.sql(statement).toArrow()
    assert "stacktrace" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_an_error_of_ours_beside_the_data_comes_through_as_it_was(lake: Lakehouse) -> None:
    def complain(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if list(batches):
            raise EntityMatchingError("The model is gone.", remedy="Train one.")
        yield from ()

    rows = lake.spark.range(3).mapInArrow(complain, "id LONG")
    with pytest.raises(EntityMatchingError) as raised, explained(lake.settings):
        rows.collect()
    assert str(raised.value) == "The model is gone. Train one."


def test_a_catalog_that_the_server_does_not_have_is_told(lake: Lakehouse, tmp_path: Path) -> None:
    settings = LakehouseSettings(catalog="elsewhere", target=lake.settings.target, home=tmp_path)
    with (
        pytest.raises(EntityMatchingError, match=r"knows no catalog 'elsewhere'.*--catalog"),
        open_lakehouse(settings) as other,
    ):
        other.create()
    with pytest.raises(EntityMatchingError, match="knows no catalog 'elsewhere'"), open_lakehouse(settings) as other:
        other.check()


def test_two_sessions_do_not_see_each_others_frames(lake: Lakehouse, tmp_path: Path) -> None:
    with open_lakehouse(replace(lake.settings, home=tmp_path)) as other:
        other.frame(pa.table({"n": [1]})).createOrReplaceTempView("mine")
        assert other.spark.conf.get("spark.sql.session.timeZone") == "UTC"
        assert not lake.spark.catalog.tableExists("mine")
