"""The bytes of a text file, brought to UTF-8 without a byte order mark."""

from __future__ import annotations

import codecs
import gzip
import logging
import zlib

from charset_normalizer import from_bytes

from entity_matching.errors import InputError, NoRowsError
from entity_matching.files.formats import Location

_log = logging.getLogger(__name__)

_MARKS = (
    # the longer marks first: the UTF-32 one begins with the UTF-16 one
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BINARY = (
    (b"PAR1", "a Parquet file", ".parquet"),
    (b"PK\x03\x04", "a zip archive or an Excel file", ".xlsx, if it is one"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", ".xls"),
    (b"\x1f\x8b", "compressed with gzip", ".csv.gz"),
    (b"%PDF", "a PDF", ""),
)
_LEGACY = (
    ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257"]
    + ["shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "koi8_r"]
)  # fmt: skip
_SAMPLE = 64_000
"""Bytes of non-ASCII lines from which a legacy encoding is guessed."""
_STRAY = 0.1
"""Below this share of broken characters a file is UTF-8 with an error, not in another encoding."""


def read_text(location: Location) -> bytes:
    """Read a text file, compressed or not.

    :return: its content in UTF-8, without a byte order mark and without NUL bytes.
    :raises InputError: if it is empty, binary, damaged, or of an encoding that cannot be told.
    """
    try:
        data = location.path.read_bytes()
        if location.gzipped:
            data = gzip.decompress(data)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"the file is not whole, or not compressed with gzip: {error}.",
            file=location.name,
            remedy="Compress it again, or name it without .gz.",
        ) from error
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror}.", file=location.name, remedy="Check the disk."
        ) from error
    if not data.strip():
        raise NoRowsError(
            "the file is empty.", file=location.name, remedy="Expected a header line and at least one row."
        )
    data = to_utf8(data, location.name)
    _refuse_nul(data, location.name)
    return data


def to_utf8(data: bytes, file: str) -> bytes:
    """Bring text of any common encoding to UTF-8, without a byte order mark.

    :raises InputError: if it is binary, or UTF-8 with an error in it.
    """
    _refuse_binary(data, file)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            body = data[len(mark) :]
            return body if encoding == "utf-8" and _is_utf8(body) else _decode(body, encoding, file)
    if _is_utf8(data):
        wide = _unmarked_utf16(data)
        return _decode(data, wide, file) if wide else data
    wide = _unmarked_utf16(data)
    if wide:
        return _decode(data, wide, file)
    _refuse_nul(data, file)
    _refuse_stray(data, file)
    encoding = _legacy_encoding(data)
    _log.warning("%s is not UTF-8; it is read as %s. Save it as UTF-8 if letters look wrong.", file, encoding)
    return _decode(data, encoding, file)


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), 1 << 20):
            decoder.decode(data[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _decode(data: bytes, encoding: str, file: str) -> bytes:
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        raise InputError(
            f"line {_line(data, start)}: not valid {encoding.upper()} (byte {start:,}).",
            file=file,
            remedy="Save the file as UTF-8.",
        ) from error


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _unmarked_utf16(data: bytes) -> str | None:
    head = data[:4096]
    pairs = max(1, len(head) // 2)
    if head[1::2].count(0) > 0.7 * pairs and head[0::2].count(0) < 0.1 * pairs:
        return "utf-16-le"
    if head[0::2].count(0) > 0.7 * pairs and head[1::2].count(0) < 0.1 * pairs:
        return "utf-16-be"
    return None


def _refuse_binary(data: bytes, file: str) -> None:
    for magic, what, extension in _BINARY:
        if data.startswith(magic) and (b"\x00" in data or not _is_utf8(data)):
            remedy = f"Name it {extension}." if extension else "Export the table as CSV."
            raise InputError(f"expected text, but the file is {what}.", file=file, remedy=remedy)


def _refuse_nul(data: bytes, file: str) -> None:
    offset = data.find(b"\x00")
    if offset < 0:
        return
    if data.count(b"\x00") > 0.01 * len(data):
        raise InputError("expected text, but the file is binary.", file=file, remedy="Export the table as CSV (UTF-8).")
    raise InputError(
        f"line {_line(data, offset)}: there is a NUL byte (0x00), which no text has.",
        file=file,
        remedy="Remove it, or export the file again.",
    )


def _refuse_stray(data: bytes, file: str) -> None:
    """Refuse UTF-8 with a few wrong bytes: another encoding would garble everything else."""
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    good = len(text) - len(text.encode("ascii", errors="ignore")) - broken
    if broken < _STRAY * (good + broken):
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"line {_line(data, error.start)}: the byte 0x{data[error.start]:02x} is not valid UTF-8, "
                "though the rest of the file is.",
                file=file,
                remedy="Correct this line, or export the file again as UTF-8.",
            ) from error


def _legacy_encoding(data: bytes) -> str:
    lines, size = [], 0
    for line in data.splitlines():
        if not line.isascii():
            lines.append(line)
            size += len(line)
            if size > _SAMPLE:
                break
    best = from_bytes(b"\n".join(lines), cp_isolation=_LEGACY).best()
    if best is None:
        return "latin-1"
    # encodings that read the sample alike cannot be told apart; the most common of them is taken
    alike = {best.encoding, *best.could_be_from_charset}
    encoding = next((name for name in _LEGACY if name in alike), best.encoding)
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return "latin-1"
    return encoding
