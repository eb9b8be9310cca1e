"""Dates as people write them."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.normalize.dates import parse_date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014-11-24", (2014, 11, 24)),
        ("2014-11-24T10:00:00Z", (2014, 11, 24)),
        ("2014/11", (2014, 11, 1)),
        ("20141124", (2014, 11, 24)),
        ("24.11.2014", (2014, 11, 24)),
        ("11/24/2014", (2014, 11, 24)),
        ("24/11/2014", (2014, 11, 24)),
        ("04/05/2014", (2014, 4, 5)),
        ("4-Dec-12", (2012, 12, 4)),
        ("24-Nov-75", (1975, 11, 24)),
        ("December 4 , 2012", (2012, 12, 4)),
        ("4th of May", None),
        ("4th May 2012", (2012, 5, 4)),
        ("Sept. 2012", (2012, 9, 1)),
        ("1999", (1999, 1, 1)),
        ("1999.0", (1999, 1, 1)),
        ("0000", None),
        ("2014-02-30", None),
        ("soon", None),
        ("", None),
    ],
)
def test_dates(text: str, expected: tuple[int, int, int] | None) -> None:
    assert parse_date(text) == (None if expected is None else datetime.date(*expected))


@given(st.dates())
def test_iso_dates_are_read_back(day: datetime.date) -> None:
    assert parse_date(day.isoformat()) == day


@given(st.text(alphabet="0123456789-/. ,jandec", max_size=20))
def test_no_string_raises(text: str) -> None:
    assert parse_date(text) is None or isinstance(parse_date(text), datetime.date)
