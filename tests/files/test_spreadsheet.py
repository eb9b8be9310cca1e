from __future__ import annotations

import datetime as dt
import importlib
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.errors import InputError, OutputError
from entity_matching.files import read_table, write_table

openpyxl: Any = importlib.import_module("openpyxl")


def _book(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_the_first_sheet_is_read_with_its_types(tmp_path: Path) -> None:
    day = dt.date(2020, 1, 2)
    path = _book(
        tmp_path / "a.xlsx",
        one=[["id", "code", "share", "day"], [1, "007", 0.5, day], [None] * 4, [2, "x", 3, None]],
        two=[["other"], ["y"]],
    )
    assert read_table(path).to_pydict() == {"id": [1, 2], "code": ["007", "x"], "share": [0.5, 3.0], "day": [day, None]}


def test_another_sheet_is_read_by_its_name(tmp_path: Path) -> None:
    path = _book(tmp_path / "a.xlsx", one=[["id"], ["1"]], two=[["other"], ["y"]])
    assert read_table(f"{path}#two").to_pydict() == {"other": ["y"]}


def test_a_table_need_not_begin_in_the_first_cell(tmp_path: Path) -> None:
    path = _book(tmp_path / "a.xlsx", one=[[], [None, "id", "name"], [None, 5, "x"]])
    assert read_table(path).to_pydict() == {"id": [5], "name": ["x"]}


def test_codes_among_text_keep_no_point(tmp_path: Path) -> None:
    path = _book(tmp_path / "a.xlsx", one=[["ticker"], [700], ["BMW"]])
    assert read_table(path).to_pydict() == {"ticker": ["700", "BMW"]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the sheet is empty"),
        ([["id", "name"]], "a header, but no row"),
        ([["id", "id"], [1, 2]], "columns 1 and 2 of the header have the same name"),
        ([["id", None], [1, 2]], r"no name for column 2 \(of 2\)"),
        ([["id"], [1, "beside the header"]], r"no name for column 2 \(of 2\)"),
    ],
)
def test_a_wrong_sheet_is_refused(tmp_path: Path, rows: list[list[Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_table(_book(tmp_path / "a.xlsx", one=rows))


def test_a_missing_sheet_names_those_there_are(tmp_path: Path) -> None:
    path = _book(tmp_path / "a.xlsx", one=[["id"], [1]], two=[["id"], [1]])
    with pytest.raises(InputError, match=r"there is no sheet 'three'\. Its sheets are: one, two\."):
        read_table(f"{path}#three")


def test_text_named_xlsx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_text("id,name\n1,x\n")
    with pytest.raises(InputError, match="not a whole Excel or OpenDocument file"):
        read_table(tmp_path / "a.xlsx")


def test_text_is_written_as_text_never_as_a_formula(tmp_path: Path) -> None:
    values = ["=1+1", "+49 30", "-5", "@SUM(A1)", "#N/A", "000123", " x ", "a\r\nb", "_x0041_", "😀 漢字"]
    write_table(pa.table({"name": values}), tmp_path / "a.xlsx")
    cells = [row[0] for row in openpyxl.load_workbook(tmp_path / "a.xlsx")["matches"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert read_table(tmp_path / "a.xlsx").to_pydict() == {"name": values}


def test_control_characters_are_escaped_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        write_table(pa.table({"name": ["bell\x07", "plain"]}), tmp_path / "a.xlsx")
    assert "1 cells hold control characters" in caplog.text
    assert read_table(tmp_path / "a.xlsx").to_pydict() == {"name": ["bell\x07", "plain"]}


def test_numbers_stay_numbers_and_lists_become_json(tmp_path: Path) -> None:
    table = pa.table({"confidence": [0.98], "candidates": [[{"entity_id": "a;b", "confidence": 0.98}]]})
    write_table(table, tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx").to_pydict() == {
        "confidence": [0.98],
        "candidates": ['[{"entity_id":"a;b","confidence":0.98}]'],
    }


def test_a_cell_too_long_for_excel_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    table = pa.table({"name": ["x", "y" * 40_000]})
    with pytest.raises(OutputError, match=r"row 2, column 'name': a cell of Excel holds 32,767 .* Write \.csv"):
        write_table(table, tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_too_many_rows_for_excel_are_refused(tmp_path: Path) -> None:
    table = pa.table({"n": pa.nulls(1_048_576, pa.int8())})
    with pytest.raises(OutputError, match="a sheet holds 1,048,575 rows"):
        write_table(table, tmp_path / "a.xlsx")
