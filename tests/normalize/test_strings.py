"""Arrow columns of every type as strings."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.normalize.strings import to_strings


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([" a ", None, ""], pa.string(), ["a", "", ""]),
        (["a", None], pa.large_string(), ["a", ""]),
        (["a", None], pa.string_view(), ["a", ""]),
        (["a", None, "a"], pa.dictionary(pa.int32(), pa.string()), ["a", "", "a"]),
        ([1, None], pa.dictionary(pa.int8(), pa.int64()), ["1", ""]),
        (
            [5.0, 0.1, None, float("nan"), 1e300, -2.0, float("inf")],
            pa.float64(),
            ["5", "0.1", "", "", "1e+300", "-2", "inf"],
        ),
        ([5.0, 0.1, 123456789012.0], pa.float64(), ["5", "0.1", "123456789012"]),
        ([5.5, None], pa.float32(), ["5.5", ""]),
        ([5, None], pa.int16(), ["5", ""]),
        ([True, None], pa.bool_(), ["true", ""]),
        ([None, None], pa.null(), ["", ""]),
        ([b"caf\xc3\xa9", b"\xff", None], pa.binary(), ["café", "\ufffd", ""]),
        ([datetime.date(2020, 1, 2), None], pa.date32(), ["2020-01-02", ""]),
        ([decimal.Decimal("1.50"), decimal.Decimal("100.00")], pa.decimal128(5, 2), ["1.5", "100"]),
        ([["x", "y"], None], pa.list_(pa.string()), ["['x', 'y']", ""]),
        ([], pa.string(), []),
    ],
)
def test_a_column_of_any_type(values: list[Any], kind: pa.DataType, expected: list[str]) -> None:
    array = (
        pa.array(values, kind.value_type).dictionary_encode()
        if pa.types.is_dictionary(kind)
        else pa.array(values, kind)
    )
    assert to_strings(pa.chunked_array([array])).to_pylist() == expected


def test_chunks_are_put_together() -> None:
    chunks = pa.chunked_array([pa.array(["a"]), pa.array([], pa.string()), pa.array(["b", None])])
    assert to_strings(chunks).to_pylist() == ["a", "b", ""]


def test_a_column_without_chunks_is_empty() -> None:
    assert to_strings(pa.chunked_array([], pa.string())).to_pylist() == []
