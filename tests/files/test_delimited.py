from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from entity_matching.errors import InputError
from entity_matching.files import read_table
from entity_matching.files.delimited import detect_delimiter

MIB = 1 << 20


def _read(folder: Path, text: str, name: str = "a.csv") -> dict[str, list[str]]:
    (folder / name).write_bytes(text.encode())
    rows: dict[str, list[str]] = read_table(folder / name).to_pydict()
    return rows


def test_values_stay_the_text_they_are(tmp_path: Path) -> None:
    text = 'id,ticker,note\n000123,NA,=1+1\n1e5,TRUE," x "\n,null,2020-01-01\n'
    assert _read(tmp_path, text) == {
        "id": ["000123", "1e5", ""],
        "ticker": ["NA", "TRUE", "null"],
        "note": ["=1+1", " x ", "2020-01-01"],
    }


def test_quoted_fields_may_hold_delimiters_quotes_and_ends_of_lines(tmp_path: Path) -> None:
    rows = _read(tmp_path, 'id,name\r\n1,"Foo, ""Bar""\r\nInc."\r\n2,5" pipe\r\n')
    assert rows["name"] == ['Foo, "Bar"\r\nInc.', '5" pipe']


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("extension", ["csv", "tsv", "txt"])
def test_the_delimiter_is_told_from_the_rows(tmp_path: Path, delimiter: str, extension: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["id", "name", "city"], ["1", "a b", "c"], ["2", "d", ""]))
    assert _read(tmp_path, text, f"a.{extension}") == {"id": ["1", "2"], "name": ["a b", "d"], "city": ["c", ""]}


def test_decimal_commas_do_not_pass_for_delimiters() -> None:
    assert detect_delimiter("id;a,b;price\n1;x;1,5\n2;y;2,25\n", ",") == ";"


def test_a_file_of_one_column_is_read_whole(tmp_path: Path) -> None:
    assert _read(tmp_path, 'name\nFoo, Inc.\n"Bar; Ltd"\n\nBaz\n\n\n') == {"name": ["Foo, Inc.", "Bar; Ltd", "", "Baz"]}


def test_one_row_is_enough(tmp_path: Path) -> None:
    assert _read(tmp_path, "id,name\n1,x") == {"id": ["1"], "name": ["x"]}


def test_blank_lines_between_rows_are_no_rows(tmp_path: Path) -> None:
    assert _read(tmp_path, "\nid,name\n\n1,x\n\n2,y\n\n")["id"] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\n1,x\n2\n", r"line 3: expected 2 fields, found 1 \(split at ','\)"),
        ("id,name\n1,x\n\n2,y,z\n", "line 4: expected 2 fields, found 3"),
        ('id,name\n1,"x\ny"\n2,a,b\n', "line 4: expected 2 fields, found 3"),
        ("id\tname\n1\n", r"line 2: expected 2 fields, found 1 \(split at tab\)"),
        ("id,name\n", "there is a header, but no row"),
        ("name\n\n\n", "there is a header, but no row"),
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("id,name,id\n1,x,2\n", "column 'id': columns 1 and 3 of the header have the same name"),
        (",name\n1,x\n", r"no name for column 1 \(of 2\).*index=False"),
        ('id,name\n1,x\n2,"y\n3,z\n', r"line 3: a field opens with a quote \(\"\) that is never closed"),
        ('id,"name\n1,x\n', "line 1: a field opens with a quote"),
    ],
)
def test_a_wrong_file_names_the_line_and_what_was_expected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "a.csv"))
    assert caught.value.remedy


def test_a_ragged_row_far_into_the_file_is_found(tmp_path: Path) -> None:
    lines = ["id,name", *(f"{row},name {row}" for row in range(200_000))]
    lines[150_001] = "150000,one,two"
    with pytest.raises(InputError, match="line 150,002: expected 2 fields, found 3"):
        _read(tmp_path, "\n".join(lines))


def test_a_cell_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    cell = "x, y\n" * (2 * MIB)
    rows = _read(tmp_path, f'id,name\n1,"{cell}"\n2,z\n')
    assert rows["name"] == [cell, "z"]


def test_a_row_longer_than_a_block_is_read(tmp_path: Path) -> None:
    cell = "x" * (20 * MIB)
    assert [len(value) for value in _read(tmp_path, f"id,name\n1,{cell}\n2,z\n")["name"]] == [20 * MIB, 1]


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id,name\n1,x\n"))
    assert read_table(tmp_path / "a.csv.gz").to_pydict() == {"id": ["1"], "name": ["x"]}


@pytest.mark.parametrize("cut", [slice(None, -5), slice(10, None)])
def test_damaged_gzip_is_refused(tmp_path: Path, cut: slice) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"id,name\n1,x\n")[cut])
    with pytest.raises(InputError, match="not whole, or not compressed with gzip"):
        read_table(tmp_path / "a.csv.gz")
