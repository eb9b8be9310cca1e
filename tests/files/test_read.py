from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entity_matching.errors import InputError
from entity_matching.files import read_table


def test_a_missing_file_suggests_files_with_a_like_name(tmp_path: Path) -> None:
    (tmp_path / "Customers.csv").write_text("id\n1\n")
    (tmp_path / "zzz.parquet").write_text("x")
    with pytest.raises(InputError, match=r"no such file\. Did you mean Customers\.csv\?"):
        read_table(tmp_path / "customer.csv")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no folder .*nowhere either"):
        read_table(tmp_path / "nowhere" / "a.csv")


def test_a_missing_file_without_extension_is_missing_first_of_all(tmp_path: Path) -> None:
    (tmp_path / "source.csv").write_text("id\n1\n")
    with pytest.raises(InputError, match=r"no such file\. Did you mean source\.csv"):
        read_table(tmp_path / "source")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is a folder; expected one file"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.docx", r"unknown extension '\.docx'.*Known formats are \.csv"),
        ("a.parquet.gz", r"unknown extension '\.parquet\.gz'"),
        ("a.json", r"name the file \.jsonl"),
        ("a", "the name has no extension"),
    ],
)
def test_an_unknown_extension_names_the_known_ones(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_text("id\n1\n")
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")

    def refuse(*_args: Any, **_options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    # not chmod: root, as whom tests may run, can read everything
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="this user may not read the file"):
        read_table(path)


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.int32()),
            "name": pa.array(["a", None], pa.large_string()),
            "founded": pa.array([dt.date(1999, 1, 2), None]),
            "country": pa.array(["DE", "DE"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").schema.types == table.schema.types


def test_a_parquet_file_cut_short_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:-20])
    with pytest.raises(InputError, match="not a whole Parquet file"):
        read_table(tmp_path / "a.parquet")


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no row"):
        read_table(tmp_path / "a.parquet")


def test_parquet_columns_of_the_same_name_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["id", "id"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="column 'id': columns 1 and 2 of the header have the same name"):
        read_table(tmp_path / "a.parquet")


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    (tmp_path / "year=2026").mkdir()
    pq.write_table(pa.table({"id": [1]}), tmp_path / "year=2026" / "a.parquet")
    assert read_table(tmp_path / "year=2026" / "a.parquet").column_names == ["id"]
