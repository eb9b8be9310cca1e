from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from entity_matching.errors import EntityMatchingError, OutputError
from entity_matching.files import read_table
from entity_matching.jobs.destinations import To, find_destination, register, table_levels
from entity_matching.lakehouse import Lakehouse, open_lakehouse
from entity_matching.lakehouse.tables import TABLES, VIEWS

if TYPE_CHECKING:
    from tests.jobs.conftest import OpenLake

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def empty(open_lake: OpenLake) -> Lakehouse:
    return open_lake()


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("analysis.first", ("entity_matching", "analysis", "first")),
        ("other.analysis.first", ("other", "analysis", "first")),
        ("`a b`.`c.d`", ("entity_matching", "a b", "c.d")),
        ("`a``b`.c", ("entity_matching", "a`b", "c")),
        ("first", None),
        ("a.b.c.d", None),
        ("a..b", None),
        (".a.b", None),
        ("a.b.", None),
        ("a. ", None),
    ],
)
def test_names_of_two_and_three_levels_are_tables(empty: Lakehouse, name: str, levels: tuple[str, ...] | None) -> None:
    assert table_levels(empty, name) == levels


def test_a_name_is_told_from_a_path(empty: Lakehouse, tmp_path: Path) -> None:
    assert find_destination(empty, "Analysis.First").levels == ("entity_matching", "analysis", "first")
    assert find_destination(empty, str(tmp_path / "out.csv")).kind is To.FILE
    assert find_destination(empty, str(tmp_path / "out")).kind is To.DELTA
    for name in ("nowhere", "a.b.c.d"):
        with pytest.raises(OutputError, match="neither a table nor a path"):
            find_destination(empty, name)


@pytest.mark.parametrize("name", [item.full_name for item in (*TABLES, *VIEWS)])
def test_tables_of_the_pipeline_are_refused(empty: Lakehouse, name: str) -> None:
    for spelled in (name, f"entity_matching.{name.upper()}", f"ENTITY_MATCHING.{name}"):
        with pytest.raises(OutputError, match="pipeline's own"):
            find_destination(empty, spelled)


def test_what_cannot_be_written_is_refused_before_anything_is_matched(empty: Lakehouse, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    for given, message in (
        ("other.analysis.first", "no catalog 'other' on this machine"),
        (str(empty.settings.home / "x"), "where the pipeline keeps its own"),
        (str(tmp_path / "kept"), "holds other things"),
        (str(tmp_path / "none" / "out"), "is not there"),
        (str(tmp_path / "none" / "out.csv"), "is not there"),
        (str(tmp_path / "with space"), "characters that a Delta table"),
        ("`a b`.c", "holds ' '"),
    ):
        with pytest.raises(EntityMatchingError, match=message):
            find_destination(empty, given)


@pytest.mark.parametrize("name", ["analysis.first", "{folder}/delta", "{folder}/rows.csv"])
def test_each_is_written_whole_and_again_in_place(empty: Lakehouse, tmp_path: Path, name: str) -> None:
    given = name.format(folder=tmp_path)
    tries: list[dict[str, list[Any]]] = [
        {"n": [3, 1, 2], "k": ["c", "a", "a"]},
        {"n": [5, 4], "k": ["x", "y"], "more": [None, "z"]},
    ]
    for rows in tries:
        table = pa.table(rows).append_column("order", pa.array(range(len(rows["n"]))))
        destination = find_destination(empty, given)
        counts = destination.write(empty, empty.frame(table), ["k"], "order")
        assert counts == {(key,): rows["k"].count(key) for key in rows["k"]}
        if destination.kind is To.FILE:
            found = read_table(destination.path)
            assert found["n"].to_pylist() == [str(n) for n in rows["n"]]
        elif destination.kind is To.DELTA:
            found = empty.spark.read.format("delta").load(str(destination.path)).toArrow()
        else:
            found = empty.spark.table("analysis.first").toArrow()
        assert found.column_names == list(rows)
        assert found.num_rows == len(rows["n"])


def test_rows_that_fail_leave_what_was_there(empty: Lakehouse) -> None:
    destination = find_destination(empty, "analysis.failing")
    destination.write(empty, empty.frame(pa.table({"n": ["1"]})), ["n"])
    with pytest.raises(OutputError, match=r"analysis\.failing cannot be written"):
        destination.write(empty, empty.spark.sql("SELECT CAST('a' AS INT) AS n"), ["n"])
    assert empty.spark.table("analysis.failing").toArrow()["n"].to_pylist() == ["1"]


def test_a_table_is_found_again_by_a_later_session(empty: Lakehouse) -> None:
    find_destination(empty, "analysis.later").write(empty, empty.frame(pa.table({"n": [7]})), ["n"])
    with open_lakehouse(empty.settings) as again:
        register(again, ("entity_matching", "analysis", "later"))
        assert again.spark.table("analysis.later").toArrow()["n"].to_pylist() == [7]
        register(again, ("entity_matching", "analysis", "none"))
        assert not again.spark.catalog.tableExists("entity_matching.analysis.none")
