"""Arrow columns of any type as trimmed strings without nulls."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt


def to_strings(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as an array of trimmed strings; nulls and NaN become "".

    Whole floats lose their ``.0`` (a key read as 5.0 is 5); bytes are read as UTF-8, bad ones replaced.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # more than 2 GB of text: Arrow keeps it in chunks
        array = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in array.chunks])
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    return pc.utf8_trim_whitespace(pc.fill_null(_cast(array), ""))


def _cast(array: pa.Array) -> pa.Array:
    kind = array.type
    if pt.is_null(kind):
        return pa.array([""] * len(array), pa.string())
    if pt.is_string(kind) or pt.is_large_string(kind):
        return array
    if pt.is_floating(kind):
        return pa.array([_float_text(value) for value in array.to_pylist()], pa.string())
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind):
        values = (None if value is None else value.decode("utf-8", "replace") for value in array.to_pylist())
        return pa.array(list(values), pa.string())
    try:
        return array.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())


def _float_text(value: float | None) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN is the one value that differs from itself
        return None
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
