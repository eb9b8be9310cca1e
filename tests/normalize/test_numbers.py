"""Numbers as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.normalize.numbers import parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("375.0", 375.0),
        ("1.234,56", 1234.56),
        ("$1,299.00", 1299.0),
        ("$ 1.29", 1.29),
        ("1,299", 1299.0),
        ("5,9", 5.9),
        ("0,001", 0.001),
        ("1.234.567", 1234567.0),
        ("1 234 567", 1234567.0),
        ("1'000.50", 1000.5),
        ("5.9 %", 5.9),
        ("-3.5", -3.5),
        ("(3.5)", -3.5),
        (".5", 0.5),
        ("1.2e-3", 0.0012),
        ("3.5 million", 3_500_000.0),
        ("EUR 12", 12.0),
        ("4:33", 273.0),
        ("1:02:03", 3723.0),
        ("-", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("702-731-7888", None),
        ("1..2", None),
        ("9" * 500, None),
    ],
)
def test_numbers(text: str, number: float | None) -> None:
    assert parse_number(text) == (None if number is None else pytest.approx(number))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_writes_is_read_back(number: float) -> None:
    assert parse_number(repr(number)) == number


@given(st.text(max_size=50))
def test_no_string_raises(text: str) -> None:
    number = parse_number(text)
    assert number is None or abs(number) < float("inf")
