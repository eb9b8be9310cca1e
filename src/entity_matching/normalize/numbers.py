"""Numbers and dates as people write them."""

from __future__ import annotations

import datetime
import math
import re

_NUMBER = re.compile(r"[-+(]?\s*(?:\d[\d.,' \u00a0\u202f]*|[.,]\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
_LONGEST = 400
_SPACES = re.compile(r"[\s'\u00a0\u202f]+")
_GROUPS = {mark: re.compile(rf"\d{{1,3}}(?:\{mark}\d{{3}})+") for mark in ".,"}
_MONTHS = {name: number for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?!\d)")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})$")
_YEAR = re.compile(r"(\d{4})(?:\.0)?$")
_NUMERIC = re.compile(r"(\d{1,2})([-/.])\s?(\d{1,2})\2\s?(\d{4}|\d{2})(?!\d)")
_DAY_FIRST = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?\.?[\s-]+([a-z]{3})[a-z]*\.?,?[\s-]+(\d{4}|\d{2})(?!\d)")
_MONTH_FIRST = re.compile(r"([a-z]{3})[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?\s*,?\s+(\d{4})(?!\d)")
_MONTH_YEAR = re.compile(r"([a-z]{3})[a-z]*\.?,?\s+(\d{4})$")


def parse_number(text: str) -> float | None:
    """Return the number a text holds, ``None`` if it holds none or more than one.

    Currency and per cent signs are left out (``5.9 %`` is 5.9). The last of ``.`` and ``,`` is the decimal mark;
    a single comma with exactly three digits after it separates thousands (``1,299``), a single point does not.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    found = _NUMBER.findall(text)
    if len(found) != 1:
        return None
    token = _SPACES.sub("", found[0])
    negative = token.startswith("-") or (token.startswith("(") and ")" in text)
    token = token.lstrip("-+(").rstrip(".,")
    mantissa, exponent, power = token.lower().partition("e")
    try:
        value = float(_plain(mantissa) + exponent + power)
    except ValueError:
        return None
    if not math.isfinite(value):
        return None
    return -value if negative else value


def _plain(digits: str) -> str:
    """Return the digits with ``.`` as the decimal mark and no thousands separators."""
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        mark, other = (",", ".") if comma > point else (".", ",")
        return digits.replace(other, "").replace(mark, ".")
    if comma >= 0:
        grouped = _GROUPS[","].fullmatch(digits) is not None and not digits.startswith("0,")
        return digits.replace(",", "") if grouped else digits.replace(",", ".")
    if digits.count(".") > 1 and _GROUPS["."].fullmatch(digits):
        return digits.replace(".", "")
    return digits


def parse_date(text: str) -> datetime.date | None:
    """Return the date a text starts with, ``None`` if it is none.

    A bare year is its first of January, a month its first day. Day and month in figures are read day first
    where ``.`` separates them or the first exceeds 12, else month first.
    """
    text = text.strip().lower()[:64]
    for reader in (_year, _iso, _numeric, _spelt):
        parts = reader(text)
        if parts is not None:
            try:
                return datetime.date(*parts)
            except ValueError:
                return None
    return None


def _year(text: str) -> tuple[int, int, int] | None:
    if (match := _YEAR.match(text)) is not None:
        return int(match[1]), 1, 1
    if (match := _COMPACT.match(text)) is not None:
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
    if match[2] == "." or first > 12:
        return year, second, first
    return year, first, second


def _spelt(text: str) -> tuple[int, int, int] | None:
    if (match := _DAY_FIRST.match(text)) is not None and match[2] in _MONTHS:
        return _full_year(match[3]), _MONTHS[match[2]], int(match[1])
    if (match := _MONTH_FIRST.match(text)) is not None and match[1] in _MONTHS:
        return int(match[3]), _MONTHS[match[1]], int(match[2])
    if (match := _MONTH_YEAR.match(text)) is not None and match[1] in _MONTHS:
        return int(match[2]), _MONTHS[match[1]], 1
    return None


def _full_year(digits: str) -> int:
    """Return the year; two figures mean 1970 to 2069."""
    year = int(digits)
    if len(digits) == 4:
        return year
    return year + (1900 if year >= 70 else 2000)
