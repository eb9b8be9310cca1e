from __future__ import annotations

import codecs
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entity_matching.errors import InputError
from entity_matching.files import read_table, write_table

TEXT = "id,name\n1,Société Générale\n2,Müller & Söhne GmbH\n3,L’Oréal\n"
NAMES = ["Société Générale", "Müller & Söhne GmbH", "L’Oréal"]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
        (b"", "cp1252"),
    ],
)
def test_names_are_read_right_in_any_encoding(tmp_path: Path, mark: bytes, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(mark + TEXT.encode(encoding))
    table = read_table(tmp_path / "a.csv")
    assert table.column_names == ["id", "name"]
    assert table.column("name").to_pylist() == NAMES


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("cp1251", "ОАО Газпром нефть, Санкт-Петербург"),
        ("shift_jis", "トヨタ自動車株式会社"),
        ("gb18030", "中国石油天然气股份有限公司"),
    ],
)
def test_other_scripts_are_told_too(tmp_path: Path, encoding: str, name: str) -> None:
    (tmp_path / "a.tsv").write_bytes(f"id\tname\n1\t{name}\n".encode(encoding))
    assert read_table(tmp_path / "a.tsv").column("name").to_pylist() == [name]


def test_a_guessed_encoding_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT.encode("cp1252"))
    with caplog.at_level(logging.WARNING):
        read_table(tmp_path / "a.csv")
    assert "a.csv is not UTF-8; it is read as cp1252" in caplog.text


def test_one_wrong_byte_in_utf8_is_named_and_not_guessed_around(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(TEXT.encode() * 10 + b"4,Soci\xe9t\xe9\n")
    with pytest.raises(InputError, match="line 41: the byte 0xe9 is not valid UTF-8, though the rest of the file is"):
        read_table(tmp_path / "a.csv")


def test_a_nul_byte_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,name\n1,x\n2,a\x00b\n" + b"3,some longer name\n" * 20)
    with pytest.raises(InputError, match="line 3: there is a NUL byte"):
        read_table(tmp_path / "a.csv")


def test_a_binary_file_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\x89XYZ\x00\x01\x02\xff\xfe\xfd" * 50)
    with pytest.raises(InputError, match="expected text, but the file is binary"):
        read_table(tmp_path / "a.csv")


def test_a_parquet_file_named_csv_is_recognised(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"is a Parquet file\. Name it \.parquet"):
        read_table(tmp_path / "a.csv")


def test_an_excel_file_named_csv_is_recognised(tmp_path: Path) -> None:
    write_table(pa.table({"id": [1]}), tmp_path / "a.xlsx")
    (tmp_path / "a.xlsx").rename(tmp_path / "a.csv")
    with pytest.raises(InputError, match=r"an Excel file\. Name it \.xlsx"):
        read_table(tmp_path / "a.csv")


def test_a_column_named_like_a_file_signature_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("PAR1,name\n1,x\n")
    assert read_table(tmp_path / "a.csv").column_names == ["PAR1", "name"]
