"""Excel and OpenDocument sheets."""

from __future__ import annotations

import importlib
import logging
import re
from contextlib import suppress
from typing import Any, BinaryIO

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from entity_matching.errors import InputError, NoRowsError, OutputError
from entity_matching.files.columns import check_header, column_of, is_text, text_of
from entity_matching.files.formats import Location

_log = logging.getLogger(__name__)

MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
MAX_LETTERS = 32_767
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
"""Characters XML cannot hold, and the underscore of what would be read as an escape."""


def read_sheet(location: Location) -> pa.Table:
    """Read one sheet: the first, or the one named after ``#``. Its first row with content is the header.

    Rows without any content are skipped. A column keeps its type if it has one all through; whole
    numbers stay whole.

    :raises InputError: if the file is damaged or locked, or the sheet is missing or has no rows.
    """
    rows = _rows(location)
    rows = [row for row in rows if any(value != "" for value in row)]
    if not rows:
        raise InputError("the sheet is empty.", file=location.name, remedy="Expected a header and at least one row.")
    header, *body = rows
    width = max(index for row in rows for index, value in enumerate(row, start=1) if value != "")
    names = [text_of(value) for value in header[:width]]
    check_header(names, location.name)
    if not body:
        raise NoRowsError(
            "there is a header, but no row.", columns=names, file=location.name, remedy="Add at least one row."
        )
    columns = {
        name: column_of(name, [None if row[index] == "" else row[index] for row in body])
        for index, name in enumerate(names)
    }
    return pa.table(columns)


def _rows(location: Location) -> list[list[Any]]:
    """Return the rows of the sheet, all of one width; an empty cell is ""."""
    try:
        with CalamineWorkbook.from_path(location.path) as book:
            name = location.sheet or next(iter(book.sheet_names), "")
            if name not in book.sheet_names:
                raise InputError(
                    f"there is no sheet '{name}'.",
                    file=str(location.path),
                    remedy=f"Its sheets are: {', '.join(book.sheet_names)}.",
                )
            return book.get_sheet_by_name(name).to_python(skip_empty_area=True)
    except PasswordError as error:
        raise InputError(
            "the file is locked with a password.", file=location.name, remedy="Save it without one."
        ) from error
    except CalamineError as error:
        raise InputError(
            f"this is not a whole Excel or OpenDocument file: {error}.",
            file=location.name,
            remedy="Save it again, or name it by the format it really has.",
        ) from error


def check_sheet(table: pa.Table, name: str) -> None:
    """Check that a table fits into one sheet.

    :raises OutputError: naming the limit of Excel it breaks.
    """
    instead = "Write .csv or .parquet instead."
    if table.num_rows >= MAX_ROWS or table.num_columns > MAX_COLUMNS:
        raise OutputError(
            f"{name}: a sheet holds {MAX_ROWS - 1:,} rows below its header and {MAX_COLUMNS:,} columns; "
            f"there are {table.num_rows:,} rows and {table.num_columns:,} columns.",
            remedy=instead,
        )
    for column in table.column_names:
        if not is_text(table.schema.field(column).type):
            continue
        for row, value in enumerate(table.column(column).to_pylist(), start=1):
            if value is not None and len(value) > MAX_LETTERS:
                raise OutputError(
                    f"{name}, row {row:,}, column '{column}': a cell of Excel holds {MAX_LETTERS:,} characters; "
                    f"there are {len(value):,}.",
                    remedy=instead,
                )


def write_sheet(table: pa.Table, file: BinaryIO, name: str) -> None:
    """Write a table as the only sheet of an .xlsx file.

    Text is written as text, never as a formula. Control characters, which the format cannot hold, are
    written in Excel's own escape (``_x0007_``), which is logged.

    :raises OutputError: if the table does not fit into a sheet.
    """
    openpyxl: Any = importlib.import_module("openpyxl")  # slow to load and seldom needed
    check_sheet(table, name)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("matches")
    escaped = 0

    def cell(value: Any) -> Any:
        nonlocal escaped
        if value is None or isinstance(value, bool | int | float):
            return value if not isinstance(value, int) or abs(value) < 10**15 else text_cell(str(value))
        return text_cell(text_of(value))

    def text_cell(text: str) -> Any:
        nonlocal escaped
        safe = _UNSAFE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
        escaped += safe != text
        made = openpyxl.cell.WriteOnlyCell(sheet)
        # set past openpyxl's own guess, which takes '=1+1' for a formula and '#N/A' for an error
        made._value, made.data_type = safe, "s"
        return made

    try:
        sheet.append([text_cell(column) for column in table.column_names])
        for batch in table.to_batches(max_chunksize=10_000):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                sheet.append([cell(value) for value in row])
        book.save(file)
    except OSError:
        # openpyxl's generators would print tracebacks of their own when they are collected
        for close in (sheet.close, sheet._writer.close):
            with suppress(OSError, RuntimeError, StopIteration):
                close()
        raise
    if escaped:
        _log.warning("%s: %s cells hold control characters; they are written escaped (_x0007_).", name, f"{escaped:,}")
