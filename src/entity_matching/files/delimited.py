"""Delimited text (CSV, TSV): every column is read as text, so that ``000123`` stays what it is."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pa_csv

from entity_matching.errors import InputError, NoRowsError
from entity_matching.files.columns import check_header
from entity_matching.files.encoding import read_text
from entity_matching.files.formats import Location

_log = logging.getLogger(__name__)

_DELIMITERS = (",", ";", "\t", "|")
_UNUSED = ("\x1f", "\x1e", "\x1d", "\x01")
"""Stand in for the delimiter of a file with one column; the first that is not in the file is taken."""
_SAMPLE = 256_000
"""Bytes looked at to tell the delimiter."""
_BLOCK = 16 << 20
"""Bytes that one thread reads at a time; made larger when a row does not fit."""
_LARGEST_BLOCK = (1 << 31) - 1


def read_delimited(location: Location) -> pa.Table:
    """Read a delimited file.

    The delimiter is told from the first lines (``,`` ``;`` tab ``|``), the encoding from the bytes.
    Blank lines are skipped, but in a file of one column they are rows without a value, save at the end.

    :return: the table; all columns are strings, and a missing value is "".
    :raises InputError: naming the line that is wrong and what was expected of it.
    """
    data = read_text(location)
    head = data[:_SAMPLE].decode("utf-8", errors="ignore")
    delimiter = detect_delimiter(head, location.delimiter, whole=len(data) <= _SAMPLE)
    single = delimiter is None
    if delimiter is None:
        delimiter = next((sign for sign in _UNUSED if sign.encode() not in data), _UNUSED[0])
    names, body = _split_header(data, delimiter, location)
    check_header(names, location.name)
    if data.count(b'"') % 2:
        _refuse_open_quote(data, delimiter, location)
    if single:
        body = body.rstrip(b"\r\n")
    if not body.strip(b"\r\n"):
        raise NoRowsError(
            "there is a header, but no row.", columns=names, file=location.name, remedy="Add at least one row."
        )
    return _parse(data, body, names, delimiter, location)


def detect_delimiter(sample: str, preferred: str, *, whole: bool = True) -> str | None:
    """Tell the delimiter: the one that splits most rows into as many fields as the header.

    :param sample: the first lines of a file.
    :param preferred: the delimiter to take when others do as well.
    :param whole: whether the sample is the whole file; otherwise its last row is left out.
    :return: the delimiter, or ``None`` if there is one column only.
    """
    best, best_score = None, (0.0, 1)
    for delimiter in (preferred, *(sign for sign in _DELIMITERS if sign != preferred)):
        with _long_fields():
            rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
        rows = rows if whole or len(rows) < 2 else rows[:-1]
        width = len(rows[0]) if rows else 1
        if width == 1:
            continue
        score = (sum(len(row) == width for row in rows) / len(rows), width)
        if score > best_score:
            best, best_score = delimiter, score
    return best


@contextmanager
def _long_fields() -> Iterator[None]:
    limit = csv.field_size_limit(_LARGEST_BLOCK)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _lines(data: bytes) -> Iterator[str]:
    # newline="" keeps the ends of lines, which the csv module needs inside quotes
    return iter(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))


def _split_header(data: bytes, delimiter: str, location: Location) -> tuple[list[str], bytes]:
    """Return the column names and the bytes after the header."""
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for line in _lines(data):
            read += len(line.encode())
            yield line

    with _long_fields():
        for row in csv.reader(counted(), delimiter=delimiter):
            if row:
                return row, data[read:]
    raise InputError("the file is empty.", file=location.name, remedy="Expected a header line and rows.")


def _parse(data: bytes, body: bytes, names: list[str], delimiter: str, location: Location) -> pa.Table:
    single = len(names) == 1
    wrong: list[pa_csv.InvalidRow] = []

    def on_wrong(row: pa_csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    block = _BLOCK
    while True:
        try:
            return pa_csv.read_csv(
                pa.BufferReader(body),
                read_options=pa_csv.ReadOptions(column_names=names, block_size=block),
                parse_options=pa_csv.ParseOptions(
                    delimiter=delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=not single,
                    invalid_row_handler=on_wrong,
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types={name: pa.string() for name in names}, strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid as error:
            if wrong:
                raise _ragged(data, len(names), wrong[0].text, delimiter, location) from error
            if "block" not in str(error) or block >= min(len(body), _LARGEST_BLOCK):
                raise InputError(
                    f"not valid delimited text: {error}.",
                    file=location.name,
                    remedy="Export the file again, with quotes around fields that hold the delimiter.",
                ) from error
            block = min(block * 8, _LARGEST_BLOCK)
            _log.debug("%s: a row is longer than a block; blocks of %s bytes are read", location.name, block)


def _records(data: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line each record starts in, counted from 1, and its fields."""
    reader = csv.reader(_lines(data), delimiter=delimiter)
    line = 1
    with _long_fields():
        for row in reader:
            yield line, row
            line = reader.line_num + 1


def _ragged(data: bytes, expected: int, text: str, delimiter: str, location: Location) -> InputError:
    found = next(((line, row) for line, row in _records(data, delimiter) if row and len(row) != expected), None)
    where = f"line {found[0]:,}" if found else f"the line '{text[:60]}'"
    fields = str(len(found[1])) if found else "another number"
    sign = "tab" if delimiter == "\t" else f"'{delimiter}'"
    remedy = "Put quotes around fields that hold the delimiter, or complete the line."
    return InputError(f"{where}: expected {expected} fields, found {fields} (split at {sign}).", file=location.name,
                      remedy=remedy)  # fmt: skip


def _refuse_open_quote(data: bytes, delimiter: str, location: Location) -> None:
    """Refuse a quote that is opened and never closed: it would swallow the rest of the file."""
    last = 1
    # a record of our own at the end is read as one, unless a quote is still open
    mark = "end of file"
    for line, row in _records(data.rstrip(b"\r\n") + f"\n{mark}\n".encode(), delimiter):
        if row == [mark]:
            return
        last = line
    raise InputError(
        f'line {last:,}: a field opens with a quote (") that is never closed.',
        file=location.name,
        remedy='Close it, or write "" for a quote inside a quoted field.',
    )
