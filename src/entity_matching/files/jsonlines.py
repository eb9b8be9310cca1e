"""JSON lines: one flat object per line."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import pyarrow as pa

from entity_matching.errors import InputError
from entity_matching.files.columns import check_header, column_of, json_value
from entity_matching.files.encoding import read_text
from entity_matching.files.formats import Location

_BATCH = 10_000


def read_jsonlines(location: Location) -> pa.Table:
    """Read a JSON lines file.

    :return: the table; its columns are in the order in which they first appear, a missing key is null.
    :raises InputError: naming the line that is not one flat JSON object.
    """
    columns: dict[str, list[Any]] = {}
    rows = 0
    for number, line in enumerate(read_text(location).split(b"\n"), start=1):
        if not line.strip():
            continue
        record = _record(line, number, location)
        for name, value in record.items():
            if name not in columns:
                columns[name] = [None] * rows
            columns[name].append(value)
        rows += 1
        for name in columns.keys() - record.keys():
            columns[name].append(None)
    check_header(list(columns), location.name)
    return pa.table({name: column_of(name, values) for name, values in columns.items()})


def _record(line: bytes, number: int, location: Location) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=_once)
        _check_flat(record)
    except (ValueError, RecursionError) as error:
        reason, remedy = _explain(error)
        raise InputError(f"line {number:,}: {reason}.", file=location.name, remedy=remedy) from error
    return dict(record)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Wrong(f"the key '{twice}' is there twice", "Keep one of them.")
    return record


def _check_flat(record: Any) -> None:
    if not isinstance(record, dict):
        raise _Wrong(f"expected a JSON object, found {type(record).__name__}", "Write one object per line.")
    for name, value in record.items():
        if isinstance(value, dict | list):
            what = "an object" if isinstance(value, dict) else "a list"
            raise _Wrong(f"the value of '{name}' is {what}; expected text, a number or null", "Flatten it.")
        if isinstance(value, str):
            value.encode()


def _explain(error: ValueError | RecursionError) -> tuple[str, str]:
    """Return the reason and the remedy."""
    if isinstance(error, _Wrong):
        return error.args[0], error.args[1]
    if isinstance(error, UnicodeEncodeError):
        return "half of a surrogate pair, which is no character", "Correct the \\u escape."
    if isinstance(error, json.JSONDecodeError):
        reason = f"not valid JSON ({error.msg}, column {error.colno})"
        return reason, "Write one complete JSON object per line."
    return f"not valid JSON ({error})", "Write one complete, flat JSON object per line."


class _Wrong(ValueError):
    """A line that is valid JSON, but no flat object; holds the reason and the remedy."""


def write_jsonlines(table: pa.Table, file: BinaryIO) -> None:
    """Write a table as JSON lines; nested columns stay nested."""
    for batch in table.to_batches(max_chunksize=_BATCH):
        for record in batch.to_pylist():
            file.write(json.dumps(json_value(record), ensure_ascii=False).encode() + b"\n")
