from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entity_matching.errors import InputError
from entity_matching.jobs.ingest.origins import From, default_system, find_origins

if TYPE_CHECKING:
    from tests.jobs.ingest.conftest import Desk

pytestmark = pytest.mark.spark


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("in/crm.csv", "crm"),
        ("in/crm_2026-11-23.csv.gz", "crm"),
        ("in/crm-20261124T0215Z.parquet", "crm"),
        ("in/2026-11-23_erp_emea.jsonl", "erp_emea"),
        ("in/erp2026.csv", "erp2026"),
        ("in/order-20261399.csv", "order-20261399"),
        ("in/2026-11-23.csv", "in"),
        ("in/part-00000-4f.snappy.parquet", "in"),
        ("in/book.xlsx#Sheet 2", "book"),
    ],
)
def test_tomorrows_file_is_the_same_system(name: str, expected: str) -> None:
    assert default_system(name, From.FILE) == expected


def test_a_table_is_called_by_its_last_name() -> None:
    assert default_system("main.feeds.crm", From.TABLE) == "crm"
    assert default_system("feeds.`crm``s daily`", From.TABLE) == "crm`s daily"
    assert default_system("/data/crm/", From.DELTA) == "crm"


def test_files_folders_and_patterns(desk: Desk) -> None:
    for name in ("a/one.csv", "a/two.parquet", "a/.hidden.csv", "a/_SUCCESS", "a/notes.md", "b/x,y.csv"):
        desk.file(name, "id\n1\n")
    folder = desk.folder
    found = find_origins(desk.lake, f"{folder}/a, {folder}/b/*.csv,{folder}/a/one.csv", system="s")
    assert [origin.name for origin in found] == [
        f"{folder}/a/one.csv", f"{folder}/a/two.parquet", f"{folder}/b/x,y.csv",
    ]  # fmt: skip
    assert {origin.system for origin in found} == {"s"}
    assert [origin.name for origin in find_origins(desk.lake, f"{folder}/b/x,y.csv")] == [f"{folder}/b/x,y.csv"]


def test_an_empty_folder_and_a_pattern_without_files_are_an_empty_day(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    (desk.folder / "none").mkdir()
    assert find_origins(desk.lake, f"{desk.folder}/none,{desk.folder}/none/*.csv") == []
    assert "holds no file" in caplog.text
    assert "No file fits" in caplog.text


def test_tables_are_found_by_two_or_three_names(desk: Desk) -> None:
    found = find_origins(desk.lake, "bronze.source_entities, entity_matching.gold.`match_history`")
    assert [(origin.kind, origin.system) for origin in found] == [
        (From.TABLE, "source_entities"), (From.TABLE, "match_history"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("bronze.nothing", "bronze.nothing: there is no such table"),
        ("nowhere/*.csv", "nowhere: there is no such folder"),
        ("nowhere/at/all", "there is no such file"),
    ],
)
def test_what_is_not_there_is_named(desk: Desk, given: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_origins(desk.lake, given)


def test_a_delta_folder_is_one_origin(desk: Desk) -> None:
    where = Path(desk.lake.warehouse) / "bronze" / "source_entities"
    assert [(origin.kind, origin.system) for origin in find_origins(desk.lake, str(where))] == [
        (From.DELTA, "source_entities")
    ]
