"""What becomes of rows, seen from the tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entity_matching.errors import InputError, SchemaError
from entity_matching.lakehouse.tables import QUARANTINE, SOURCE_ENTITIES

if TYPE_CHECKING:
    from tests.jobs.ingest.conftest import Desk

pytestmark = pytest.mark.spark
HEADER = "id,name,country,note\n"


def numbers(figures: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in figures.items() if isinstance(value, int) and value}


def test_the_same_file_twice_changes_nothing(desk: Desk) -> None:
    file = desk.file("twice.csv", HEADER + "1,Acme,DE,x\n2,Bolt,FR,y\n")
    assert numbers(desk.ingest(source=file)) == {"rows": 2, "new": 2}
    commits = desk.commits(SOURCE_ENTITIES)
    assert numbers(desk.ingest(source=file)) == {"rows": 2, "unchanged": 2}
    assert desk.commits(SOURCE_ENTITIES) == commits
    assert desk.source("twice")["1"] == {"id": "1", "name": "Acme", "country": "DE", "note": "x"}


def test_only_what_differs_is_changed(desk: Desk) -> None:
    file = desk.file("differs.csv", HEADER + "1,Acme,DE,x\n2,Bolt,FR,y\n3,Core,IT,z\n")
    desk.ingest(source=file)
    first = desk.last
    desk.file("differs.csv", HEADER + "1,Acme,DE,x\n2,Bolt,FR,other\n3,Core plc,IT,z\n4,Dune,ES,\n")
    figures = desk.ingest(source=file)
    assert numbers(figures) == {"rows": 4, "new": 1, "changed": 1, "unchanged": 2, "updated": 1}
    assert desk.source("differs")["2"]["note"] == "other"
    rows = [row for row in desk.lake.read(SOURCE_ENTITIES).collect() if row["source_system"] == "differs"]
    runs = {row["source_id"]: row["run_id"] for row in rows}
    assert runs == {"1": first, "2": desk.last, "3": desk.last, "4": desk.last}
    assert desk.metrics("ingest")["changed", ""] == 1
    assert desk.metrics("ingest")["new", file] == 1


def test_bad_rows_go_to_quarantine_and_nothing_is_lost(desk: Desk) -> None:
    desk.ingest(source=desk.file("bad.csv", HEADER + "2,Bolt,FR,stored\n"))
    file = desk.file("bad.csv", HEADER + '1,Acme,DE,x\n ,"No ""key""",DE,\n2,Bolt,FR,a\n1,Acme,DE,x\n2,Bolt,FR,b\n')
    figures = desk.ingest(source=file)
    assert numbers(figures) == {"rows": 5, "new": 1, "duplicates": 1, "rejected": 3}
    assert figures["files"][0]["rejected"] == 3
    assert desk.source("bad")["2"]["note"] == "stored"
    found = desk.quarantined(file)
    assert [row["line"] for row in found] == [2, 3, 5]
    assert "column 'id'" in found[0]["reason"]
    assert "'2' is there 2 times" in found[1]["reason"]
    assert json.loads(found[0]["raw"]) == {"id": "", "name": 'No "key"', "country": "DE", "note": ""}
    assert {(row["side"], row["source_system"]) for row in found} == {("source", "bad")}
    desk.ingest(source=file)
    assert desk.quarantined(file) == found


def test_a_key_that_moves_to_another_system_is_another_record(desk: Desk) -> None:
    desk.ingest(source=desk.file("here.csv", HEADER + "1,Acme,DE,x\n2,Bolt,FR,y\n"))
    desk.ingest(source=desk.file("there.csv", HEADER + "1,Acme,DE,x\n"))
    assert set(desk.source("here")) == {"1", "2"}
    assert set(desk.source("there")) == {"1"}


def test_a_snapshot_removes_what_is_not_in_it_of_its_own_system(desk: Desk) -> None:
    desk.ingest(source=desk.file("other.csv", HEADER + "1,Acme,DE,x\n"))
    file = desk.file("snap.csv", HEADER + "1,Acme,DE,x\n2,Bolt,FR,y\n3,Core,IT,z\n4,Dune,ES,\n")
    desk.ingest(source=file)
    # 2 is contradicted and so kept as it is; 4 is gone
    desk.file("snap.csv", HEADER + "1,Acme,DE,x\n2,Bolt,FR,a\n2,Bolt,FR,b\n3,Core,IT,new\n")
    figures = desk.ingest(source=file, feed="snapshot")
    assert numbers(figures) == {"rows": 4, "unchanged": 2, "updated": 1, "rejected": 2, "removed": 1}
    assert {key: row["note"] for key, row in desk.source("snap").items()} == {"1": "x", "2": "y", "3": "new"}
    assert set(desk.source("other")) == {"1"}
    assert set(desk.source("snap")) == set(desk.source("snap"))


def test_a_snapshot_that_shrinks_too_much_stops_before_anything_is_written(desk: Desk) -> None:
    file = desk.file("shrink.csv", HEADER + "1,Acme,DE,x\n2,Bolt,FR,y\n3,Core,IT,z\n")
    desk.ingest(source=file)
    desk.file("shrink.csv", HEADER + "1,Acme,DE,x\n,No key,,\n")
    commits = desk.commits(SOURCE_ENTITIES), desk.commits(QUARANTINE)
    with pytest.raises(InputError, match=r"'shrink' lacks 2 of the 3 records.*67%.*at most 50%.*--allow-shrink true"):
        desk.ingest(source=file, feed="snapshot")
    assert (desk.commits(SOURCE_ENTITIES), desk.commits(QUARANTINE)) == commits
    assert desk.ingest(source=file, feed="snapshot", max_shrink=0.7)["removed"] == 2
    desk.file("shrink.csv", HEADER)
    with pytest.raises(InputError, match="lacks 1 of the 1"):
        desk.ingest(source=file, feed="snapshot")
    assert desk.ingest(source=file, feed="snapshot", allow_shrink=True)["removed"] == 1
    assert desk.source("shrink") == {}


@pytest.mark.parametrize("name", ["empty.csv", "empty.parquet", "empty.jsonl"])
def test_an_empty_day_is_fine(desk: Desk, name: str) -> None:
    file = desk.file(name, HEADER if name.endswith("csv") else "")
    if name.endswith("parquet"):
        pq.write_table(pa.table({"id": pa.array([], pa.string())}), file)
    figures = desk.ingest(source=file)
    assert numbers(figures) == {}
    assert [one["rows"] for one in figures["files"]] == [0]
    assert figures["quality"] == {}


def test_a_corrupt_file_among_good_ones_is_put_aside_as_a_whole(desk: Desk) -> None:
    desk.file("mixed/a_1.csv", HEADER + "1,Acme,DE,x\n2,Bolt,FR,y\n3,Core,IT,z\n")
    good = desk.folder / "mixed" / "good.parquet"
    pq.write_table(pa.table({"id": ["9"], "name": ["Nova"], "country": ["DE"]}), good)
    bad = desk.file("mixed/bad.parquet", "PAR1 and then the disk was full")
    ragged = desk.file("mixed/ragged.csv", HEADER + "1,2\n")
    folder = str(desk.folder / "mixed")
    figures = desk.ingest(source=folder, source_system="mixed")
    assert numbers(figures) == {"rows": 4, "new": 4}
    assert [note.split(":")[0] for note in figures["notes"]] == [bad, ragged]
    (row,) = desk.quarantined(bad)
    assert "not a whole Parquet file" in row["reason"]
    assert json.loads(row["raw"]) == {"file": bad, "bytes": 31}
    assert row["line"] is None
    Path(folder, "a_1.csv").write_text(HEADER + "1,Acme,DE,x\n2,Bolt,FR,y\n", encoding="utf-8")
    figures = desk.ingest(source=folder, source_system="mixed", feed="snapshot")
    assert figures["removed"] == 0
    assert "Nothing is removed of mixed" in figures["notes"][-1]
    with pytest.raises(InputError, match="not a whole Parquet file"):
        desk.ingest(source=folder, source_system="mixed", strict=True)
    with pytest.raises(InputError, match="not a whole Parquet file"):
        desk.ingest(source=bad)
    assert "3" in desk.source("mixed")


def test_a_column_that_is_gone_is_named(desk: Desk) -> None:
    file = desk.file("lacks.csv", HEADER + "1,Acme,DE,x\n")
    desk.ingest(source=file)
    desk.file("lacks.csv", "id,name,note\n1,Acme,x\n")
    with pytest.raises(SchemaError, match="has no column 'country'.*Its columns are: id, name, note.*--allow-missing"):
        desk.ingest(source=file)
    assert desk.source("lacks")["1"]["country"] == "DE"
    assert desk.ingest(source=file, allow_missing=True)["changed"] == 1
    assert desk.ingest(source=file)["unchanged"] == 1  # and so it is from now on


@pytest.mark.parametrize(("header", "column"), [("key,name\n", "id"), ("id,title\n", "name")])
def test_a_new_source_needs_its_key_and_something_to_search_by(desk: Desk, header: str, column: str) -> None:
    with pytest.raises(SchemaError, match=f"column '{column}'.*columns are: {header.strip().replace(',', ', ')}"):
        desk.ingest(source=desk.file("new.csv", header + "1,Acme\n"))


def test_a_column_that_grows_or_changes_its_type_is_noted(desk: Desk) -> None:
    file = desk.file("types.jsonl", '{"id": 1, "name": "Acme", "employees": 12, "founded": null}\n')
    desk.ingest(source=file)
    desk.file("types.jsonl", '{"id": 1, "name": "Acme", "employees": "12", "founded": null, "ceo": "Ann"}\n')
    figures = desk.ingest(source=file)
    assert [note.removeprefix(file) for note in figures["notes"]] == [
        ": the column 'employees' was int64 the last time and is string now.",
        ": the column 'ceo' is new; it is kept, and changes no decision.",
    ]
    assert numbers(figures) == {"rows": 1, "unchanged": 1, "updated": 1}
    assert desk.source("types")["1"]["ceo"] == "Ann"
    assert desk.ingest(source=file)["notes"] == []


def test_a_folder_for_the_rows_is_not_left_behind(desk: Desk) -> None:
    parent = desk.lake.staging.parent
    (parent / "ingest-killed" / "source-0").mkdir(parents=True)
    desk.ingest(source=desk.file("left.csv", HEADER + "1,Acme,DE,x\n"))
    assert [path.name for path in parent.iterdir() if path.name.startswith("ingest-")] == []
