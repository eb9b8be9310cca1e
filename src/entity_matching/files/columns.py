"""Columns of plain Python values brought to Arrow, and back to text."""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import math
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import pyarrow as pa

from entity_matching.errors import InputError

_log = logging.getLogger(__name__)

_EXACT = 2**53
"""Whole numbers up to here are exact as floats."""


def check_header(names: Sequence[str], file: str) -> None:
    """Check the column names of a table.

    :raises InputError: if there is none, one is empty, or one is there twice.
    """
    if not names:
        raise InputError("there is no column.", file=file, remedy="Expected a header with the columns' names.")
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise InputError(
                f"the header has no name for column {number} (of {len(names)}).",
                file=file,
                remedy="Name it, or remove the column (a pandas index is left out with index=False).",
            )
        first = names.index(name) + 1
        if first != number:
            raise InputError(
                f"columns {first} and {number} of the header have the same name.",
                file=file,
                column=name,
                remedy="Rename or remove one of them.",
            )


def column_of(name: str, values: Sequence[Any]) -> pa.Array:
    """Make a column of values as a spreadsheet or JSON has them.

    One type all through is kept (whole numbers, numbers, dates, times, true/false, text); a mixture
    becomes text, which is logged. ``None`` is null.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {float} and all(math.isfinite(value) and value.is_integer() for value in values if value is not None):
        kinds = {int}
        values = [None if value is None else int(value) for value in values]
    type_ = _arrow_type(kinds, values)
    if type_ is not None:
        return pa.array(values, type_, from_pandas=False)
    _log.warning("Column '%s' mixes %s; it is read as text.", name, " and ".join(sorted(k.__name__ for k in kinds)))
    return pa.array([None if value is None else text_of(value) for value in values], pa.string())


_ARROW_TYPES: dict[frozenset[type], pa.DataType] = {
    frozenset(): pa.string(),
    frozenset({str}): pa.string(),
    frozenset({bool}): pa.bool_(),
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({int, float}): pa.float64(),
    frozenset({dt.date}): pa.date32(),
    frozenset({dt.datetime}): pa.timestamp("us"),
    frozenset({dt.time}): pa.time64("us"),
}


def _arrow_type(kinds: set[type], values: Sequence[Any]) -> pa.DataType | None:
    """Return the type that holds all values as they are, ``None`` if only text does."""
    if int in kinds:
        limit = _EXACT if float in kinds else 2**63 - 1
        if any(abs(value) > limit for value in values if type(value) is int):
            return None
    return _ARROW_TYPES.get(frozenset(kinds))


def text_of(value: Any) -> str:
    """Return a value as text: whole numbers without a point, dates as ISO 8601, nested values as JSON."""
    return value if isinstance(value, str) else _text(value)


@singledispatch
def _text(value: Any) -> str:
    return str(value)


@_text.register
def _(value: bool) -> str:
    return "true" if value else "false"


@_text.register
def _(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) <= _EXACT else repr(value)


@_text.register
def _(value: dt.date) -> str:
    return str(value)


@_text.register
def _(value: bytes) -> str:
    return base64.b64encode(value).decode()


@_text.register(list)
@_text.register(dict)
def _(value: Any) -> str:
    return json.dumps(json_value(value), ensure_ascii=False, separators=(",", ":"))


def json_value(value: Any) -> Any:
    """Return a value as JSON can hold it: dates and the like as text, a number that is none as null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return text_of(value)


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type is one of those of text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
