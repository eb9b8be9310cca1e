"""Arrow columns of any type as trimmed strings without nulls."""

from __future__ import annotations

import decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

STRING_BYTES = 2**31 - 1
"""More text than this does not fit one array of Arrow's plain string type."""


def to_strings(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array of trimmed strings (large strings beyond 2 GB); nulls and NaN become "".

    Whole floats and decimals lose their zeros (a key read as 5.0 is 5); bytes are read as UTF-8, bad ones
    replaced; nested values become the text of the Python value.
    """
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if pt.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if (pt.is_string(column.type) or pt.is_binary(column.type)) and column.nbytes > STRING_BYTES:
        column = column.cast(pa.large_string() if pt.is_string(column.type) else pa.large_binary())
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # what older versions of Arrow return for a column without rows
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    return pc.utf8_trim_whitespace(pc.fill_null(_cast(array), ""))


def _cast(array: pa.Array) -> pa.Array:
    kind = array.type
    if pt.is_null(kind):
        return pa.array([""] * len(array), pa.string())
    if pt.is_string(kind) or pt.is_large_string(kind):
        return array
    if pt.is_floating(kind):
        return _cast_floats(array)
    convert = _text
    if pt.is_decimal(kind):
        convert = _decimal_text
    elif "binary" in str(kind):
        convert = _bytes_text
    else:
        try:
            return array.cast(pa.string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
            pass  # nested types and the like: Python's own text of the value will do
    return pa.array([None if value is None else convert(value) for value in array.to_pylist()], pa.string())


def _cast_floats(array: pa.Array) -> pa.Array:
    texts = array.cast(pa.string())  # the shortest text that reads back as the same number
    whole = pc.and_(pc.equal(pc.floor(array), array), pc.less(pc.abs(array), 1e15))
    whole = pc.fill_null(whole, fill_value=False)
    integers = pc.if_else(whole, array, pa.scalar(0.0, array.type)).cast(pa.int64()).cast(pa.string())
    return pc.if_else(pc.is_nan(array), pa.scalar(None, pa.string()), pc.if_else(whole, integers, texts))


def _text(value: Any) -> str:
    return str(value)


def _decimal_text(value: decimal.Decimal) -> str:
    return format(value.normalize(), "f")


def _bytes_text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
