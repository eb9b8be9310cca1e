"""Reading a table from a file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from entity_matching.errors import InputError, NoRowsError
from entity_matching.files.columns import check_header
from entity_matching.files.delimited import read_delimited
from entity_matching.files.formats import Format, Location
from entity_matching.files.jsonlines import read_jsonlines
from entity_matching.files.paths import find
from entity_matching.files.spreadsheet import read_sheet


def read_table(path: str | Path) -> pa.Table:
    """Read a table; its extension tells the format.

    Delimited text: all columns are text, a missing value is "". Other formats keep their types.

    :param path: .csv, .tsv, .txt, .jsonl, .ndjson (each also with .gz), .parquet, or a spreadsheet
        (.xlsx, .xls, .xlsb, .ods; ``book.xlsx#Sheet`` names a sheet other than the first).
    :return: the table; it has at least one row, and its columns have different, non-empty names.
    :raises NoRowsError: if there is no row.
    :raises InputError: naming the file, the line and what would be right.
    """
    location = find(path)
    if location.format is Format.DELIMITED:
        return read_delimited(location)
    if location.format is Format.JSONL:
        return read_jsonlines(location)
    if location.format is Format.EXCEL:
        return read_sheet(location)
    return _read_parquet(location)


def _read_parquet(location: Location) -> pa.Table:
    try:
        with pq.ParquetFile(location.path) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"this is not a whole Parquet file: {error}.",
            file=location.name,
            remedy="Write it again, or name it by the format it really has.",
        ) from error
    check_header(table.column_names, location.name)
    if table.num_rows == 0:
        raise NoRowsError(
            "there are columns, but no row.",
            columns=table.column_names,
            file=location.name,
            remedy="Add at least one row.",
        )
    return table
