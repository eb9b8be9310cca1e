"""Dates as people write them."""

from __future__ import annotations

import datetime
import re

_MONTHS = {name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_LONGEST = 64
_YEAR = re.compile(r"(\d{4})(?:\.0)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?!\d)")
_NUMERIC = re.compile(r"(\d{1,2})([-/.])\s?(\d{1,2})\2\s?(\d{4}|\d{2})(?!\d)")
_DAY_FIRST = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?\.?[\s-]+([a-z]{3})[a-z]*\.?,?[\s-]+(\d{4}|\d{2})(?!\d)")
_MONTH_FIRST = re.compile(r"([a-z]{3})[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?\s?,?\s+(\d{4})(?!\d)")
_MONTH_YEAR = re.compile(r"([a-z]{3})[a-z]*\.?,?\s+(\d{4})")


def parse_date(text: str) -> datetime.date | None:
    """Return the date a text starts with, ``None`` if it is none.

    A bare year is its first of January, a month its first day. Day and month in figures are read day first
    where ``.`` separates them or the first exceeds 12, else month first. Years of two figures mean 1970 to 2069.
    """
    text = text.strip().lower()[:_LONGEST]
    for reader in (_year, _iso, _numeric, _spelt):
        parts = reader(text)
        if parts is not None:
            try:
                return datetime.date(*parts)
            except ValueError:
                return None
    return None


def _year(text: str) -> tuple[int, int, int] | None:
    if (match := _YEAR.fullmatch(text)) is not None:
        return int(match[1]), 1, 1
    if (match := _COMPACT.fullmatch(text)) is not None:
        return int(match[1]), int(match[2]), int(match[3])
    return None


def _iso(text: str) -> tuple[int, int, int] | None:
    match = _ISO.match(text)
    return None if match is None else (int(match[1]), int(match[2]), int(match[3] or 1))


def _numeric(text: str) -> tuple[int, int, int] | None:
    match = _NUMERIC.match(text)
    if match is None:
        return None
    first, second, year = int(match[1]), int(match[3]), _full_year(match[4])
    return (year, second, first) if match[2] == "." or first > 12 else (year, first, second)


def _spelt(text: str) -> tuple[int, int, int] | None:
    if (match := _DAY_FIRST.match(text)) is not None and match[2] in _MONTHS:
        return _full_year(match[3]), _MONTHS[match[2]], int(match[1])
    if (match := _MONTH_FIRST.match(text)) is not None and match[1] in _MONTHS:
        return int(match[3]), _MONTHS[match[1]], int(match[2])
    if (match := _MONTH_YEAR.fullmatch(text)) is not None and match[1] in _MONTHS:
        return int(match[2]), _MONTHS[match[1]], 1
    return None


def _full_year(digits: str) -> int:
    year = int(digits)
    if len(digits) == 4:
        return year
    return year + (1900 if year >= 70 else 2000)
