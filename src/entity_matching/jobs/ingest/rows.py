"""Records of any form as rows of bronze: every value as text, and hashes that tell whether a record changed.

The same functions run here on a file's table and, by ``mapInArrow``, where Spark reads a table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.normalize.strings import to_strings

SYSTEM, KEY = "source_system", "record_key"
"""Columns of a staged row that tell records apart; the system of a reference record is empty."""
STAGED = pa.schema(
    [
        pa.field(SYSTEM, pa.string()),
        pa.field(KEY, pa.string()),
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
        pa.field("content_hash", pa.string()),
        pa.field("row_hash", pa.string()),
        pa.field("origin", pa.string()),
        pa.field("line", pa.int64()),
    ]
)
"""A row on its way to bronze. ``line`` counts from 1; null where rows have no order."""
STAGED_SQL = (
    f"{SYSTEM} STRING, {KEY} STRING, attributes MAP<STRING, STRING>, content_hash STRING, row_hash STRING, "
    "origin STRING, line BIGINT"
)
CHUNK_ROWS, CHUNK_BYTES = 20_000, 1 << 28
"""Rows, and bytes by the mean row, that are brought to text at a time."""


@dataclass(frozen=True)
class Reading:
    """How the rows of one origin are read.

    ``columns``: the names of its columns. ``key``: the one that is the key; ``None``: the row number is, from 0.
    ``content``: columns that matching reads. ``system`` and ``origin``: as in :class:`.origins.Origin`.
    """

    columns: tuple[str, ...]
    key: str | None
    content: tuple[str, ...]
    system: str
    origin: str


def stage_table(table: pa.Table, reading: Reading) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file's table, in order, as staged rows."""
    rows = max(1, min(CHUNK_ROWS, CHUNK_BYTES * table.num_rows // max(1, table.nbytes)))
    for start in range(0, table.num_rows, rows):
        yield _staged(table.slice(start, rows), reading, start)


def stage_batches(batches: Iterable[pa.RecordBatch], reading: Reading) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Spark table as staged rows; its columns come in the order of ``reading.columns``."""
    for batch in batches:
        if batch.num_rows:
            yield _staged(pa.Table.from_batches([batch]), reading, None)


def hash_batches(batches: Iterable[pa.RecordBatch], content: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Yield stored rows, whose columns are a key's, ``attributes`` and ``content_hash``, with the hash made anew."""
    for batch in batches:
        maps = batch.column(batch.num_columns - 2)
        texts = {name: map_values(maps, name) for name in content}
        hashes = pa.array(digests(texts, batch.num_rows), pa.string())
        yield pa.RecordBatch.from_arrays([*batch.columns[:-1], hashes], names=batch.schema.names)


def map_values(maps: pa.Array, name: str) -> pa.Array:
    """Return what maps of texts hold under a name; "" where they do not have it."""
    return pc.fill_null(pc.map_lookup(maps, pa.scalar(name), "first"), "").cast(pa.string())


def digests(columns: Mapping[str, pa.Array], rows: int) -> list[str]:
    """Return the SHA-256 of each row's names and values, whatever the order of the columns.

    Empty values are left out, so that a column that comes or goes without a value changes nothing.

    :param columns: texts without nulls.
    """
    if not columns:
        return [hashlib.sha256().hexdigest()] * rows
    parts = []
    for name in sorted(columns):
        values = columns[name]
        whole = pc.binary_join_element_wise(_escaped_name(name), _escaped(values), _AFTER_VALUE, _AFTER_NAME)
        parts.append(pc.if_else(pc.equal(values, ""), "", whole))
    texts = pc.binary_join_element_wise(*parts, "") if len(parts) > 1 else parts[0]
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts.to_pylist()]


# Signs that stand between names and values, and the one that stands for them within a value.
_AFTER_NAME, _AFTER_VALUE, _ESCAPE = "\x1e", "\x1f", "\x1b"
_ESCAPED = {_ESCAPE: _ESCAPE + "0", _AFTER_NAME: _ESCAPE + "1", _AFTER_VALUE: _ESCAPE + "2"}
_SIGNS = "[" + "".join(_ESCAPED) + "]"


def _escaped(values: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(values, _SIGNS)).as_py():
        return values
    for sign, instead in _ESCAPED.items():
        values = pc.replace_substring(values, sign, instead)
    return values


def _escaped_name(name: str) -> str:
    return "".join(_ESCAPED.get(char, char) for char in name)


def _staged(table: pa.Table, reading: Reading, start: int | None) -> pa.RecordBatch:
    rows = table.num_rows
    texts = {
        name: to_strings(column).cast(pa.string()) for name, column in zip(reading.columns, table.columns, strict=True)
    }
    names = sorted(texts)
    content = {name: texts[name] for name in names if name in reading.content}
    first = start or 0
    numbers = pa.array(range(first, first + rows), pa.int64()).cast(pa.string())
    keys = numbers if reading.key is None else texts[reading.key]
    lines = [None] * rows if start is None else list(range(first + 1, first + rows + 1))
    return pa.RecordBatch.from_arrays(
        [
            pa.array([reading.system] * rows, pa.string()),
            keys,
            _maps(names, [texts[name] for name in names], rows),
            pa.array(digests(content, rows), pa.string()),
            pa.array(digests(texts, rows), pa.string()),
            pa.array([reading.origin] * rows, pa.string()),
            pa.array(lines, pa.int64()),
        ],
        schema=STAGED,
    )


def _maps(names: Sequence[str], columns: Sequence[pa.Array], rows: int) -> pa.Array:
    width = len(names)
    keys = pa.array(names, pa.string()).take(pa.array(np.tile(np.arange(width), rows)))
    # value c of row r stands at c * rows + r of the columns laid end to end
    places = (np.arange(width)[None, :] * rows + np.arange(rows)[:, None]).ravel()
    values = pa.concat_arrays(columns).take(pa.array(places))
    offsets = pa.array(np.arange(0, rows * width + 1, width, dtype=np.int32))
    return pa.MapArray.from_arrays(offsets, keys, values)
