"""Writing a table to a file: wholly or not at all."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from entity_matching.errors import OutputError
from entity_matching.files.columns import text_of
from entity_matching.files.formats import Format, Location
from entity_matching.files.jsonlines import write_jsonlines
from entity_matching.files.paths import check_output
from entity_matching.files.spreadsheet import check_sheet, write_sheet

_BATCH = 10_000
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_table(table: pa.Table, path: str | Path) -> None:
    """Write a table; the extension tells the format.

    The file is written under another name in the same folder, brought to disk, and renamed: a full
    disk or a killed process leaves what was there before. In CSV and Excel a nested column is written
    as JSON. Text is never altered: a cell that starts with ``=`` comes back as it came.

    :param path: .csv, .tsv, .txt, .jsonl, .ndjson (each also with .gz), .parquet or .xlsx.
    :raises OutputError: if the file cannot be written.
    """
    location = check_output(path)
    with replacing(location.path) as raw:
        if location.gzipped:
            with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
                _write(table, location, cast(BinaryIO, packed))
        else:
            _write(table, location, raw)


def check_fits(table: pa.Table, location: Location) -> None:
    """Check that a table fits into the format of a file, before more columns are computed for it.

    :raises OutputError: if it has more rows or longer cells than a spreadsheet takes.
    """
    if location.format is Format.EXCEL:
        check_sheet(table, location.name)


def _write(table: pa.Table, location: Location, file: BinaryIO) -> None:
    if location.format is Format.DELIMITED:
        _write_delimited(table, file, location.delimiter)
    elif location.format is Format.JSONL:
        write_jsonlines(table, file)
    elif location.format is Format.EXCEL:
        write_sheet(table, file, location.name)
    else:
        pq.write_table(table, file)


def _write_delimited(table: pa.Table, file: BinaryIO, delimiter: str) -> None:
    stream = io.TextIOWrapper(file, encoding="utf-8", newline="")
    plain = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    quoted = csv.writer(stream, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(rows: list[tuple[str | None, ...]]) -> None:
        # Python 3.11 leaves a lone carriage return without quotes, and it would be read as the end of a row
        returns = any("\r" in value for row in rows for value in row if value)
        (quoted if returns else plain).writerows(rows)

    write([tuple(table.column_names)])
    for batch in table.to_batches(max_chunksize=_BATCH):
        columns = (
            [None if value is None else text_of(value) for value in column.to_pylist()] for column in batch.columns
        )
        write(list(zip(*columns, strict=True)))
    stream.detach()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    :raises OutputError: if the disk is full or the file cannot be written.
    """
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            with draft.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                draft.chmod(target.stat().st_mode & 0o777)
            draft.replace(target)
            _sync_folder(target.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        full = error.errno in _FULL
        raise OutputError(
            f"{path} could not be written: {'the disk is full' if full else error.strerror or error}. "
            "What was there before is untouched.",
            remedy="Free some space, or write to another disk." if full else "Write somewhere else.",
        ) from error


def _sync_folder(folder: Path) -> None:
    """Bring the rename to disk, where the system lets a folder be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
