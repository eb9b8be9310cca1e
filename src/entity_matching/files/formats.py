"""Which format a file has, told by its extension."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from entity_matching.errors import InputError

Format = enum.StrEnum("Format", {"DELIMITED": "delimited", "PARQUET": "parquet", "JSONL": "jsonl", "EXCEL": "excel"})
Format.__doc__ = "The formats a table can be in."

_EXTENSIONS: dict[str, Format] = {
    ".csv": Format.DELIMITED,
    ".tsv": Format.DELIMITED,
    ".tab": Format.DELIMITED,
    ".txt": Format.DELIMITED,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".xlsx": Format.EXCEL,
    ".xlsm": Format.EXCEL,
    ".xlsb": Format.EXCEL,
    ".xls": Format.EXCEL,
    ".ods": Format.EXCEL,
}
_GZIPPED = {Format.DELIMITED, Format.JSONL}
KNOWN = ".csv, .tsv, .txt, .jsonl, .ndjson (each also with .gz), .parquet and .xlsx"
"""The formats named in messages."""


@dataclass(frozen=True)
class Location:
    """Where a table is.

    :param path: the file.
    :param format: its format.
    :param extension: its extension in lower case, without ``.gz``.
    :param gzipped: whether it is compressed with gzip.
    :param sheet: the sheet of an Excel file; ``None`` means the first.
    """

    path: Path
    format: Format
    extension: str
    gzipped: bool = False
    sheet: str | None = None

    @property
    def name(self) -> str:
        """The file as messages name it."""
        return f"{self.path}#{self.sheet}" if self.sheet else str(self.path)

    @property
    def delimiter(self) -> str:
        """The delimiter that goes with the extension of a delimited file."""
        return "," if self.extension == ".csv" else "\t"


def locate(path: str | Path) -> Location:
    """Tell the format of a file by its extension; the file need not be there.

    :param path: a path; of an Excel file also ``book.xlsx#Sheet name``.
    :raises InputError: if the extension is not a known one.
    """
    text = str(path)
    before, sign, sheet = text.rpartition("#")
    if sign and sheet and _EXTENSIONS.get(Path(before).suffix.lower()) is Format.EXCEL and not Path(text).exists():
        return Location(Path(before), Format.EXCEL, Path(before).suffix.lower(), sheet=sheet)
    plain = Path(text)
    gzipped = plain.suffix.lower() == ".gz"
    extension = (plain.with_suffix("") if gzipped else plain).suffix.lower()
    format_ = _EXTENSIONS.get(extension)
    if format_ is None or (gzipped and format_ not in _GZIPPED):
        ending = "".join(plain.suffixes[-2:]) if gzipped else plain.suffix
        raise InputError(
            f"unknown extension '{ending}'." if ending else "the name has no extension, which tells the format.",
            file=text,
            remedy=_remedy(extension),
        )
    return Location(plain, format_, extension, gzipped)


def _remedy(extension: str) -> str:
    if extension == ".json":
        return "Write one JSON object per line and name the file .jsonl."
    return f"Known formats are {KNOWN}."
