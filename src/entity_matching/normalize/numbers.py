"""Numbers as people write them."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(r"[-+(]?\s?(?:\d[\d.,' \u00a0\u202f]*|[.,]\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
_LONGEST = 400
"""A longer text is prose, not a number."""
_SPACES = re.compile(r"[\s'\u00a0\u202f]+")
_GROUPED = {",": re.compile(r"[1-9]\d{0,2}(?:,\d{3})+"), ".": re.compile(r"[1-9]\d{0,2}(?:\.\d{3}){2,}")}
_DURATION = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2})(?:\.\d+)?")
_SCALE = re.compile(r"\s?(thousand|million|billion|mio|mrd|mn|bn)\b", re.IGNORECASE)
_SCALES = {"thousand": 1e3, "million": 1e6, "mio": 1e6, "mn": 1e6, "billion": 1e9, "mrd": 1e9, "bn": 1e9}


def parse_number(text: str) -> float | None:
    """Return the number a text holds, ``None`` if it holds none or more than one.

    Signs of currency and per cent are left out (``5.9 %`` is 5.9); ``3.5 million`` is multiplied out; a duration
    (``4:33``, ``1:02:03``) is given in seconds. The last of ``.`` and ``,`` is the decimal mark; a lone comma
    with exactly three digits after it separates thousands (``1,299``), a lone point does not.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if (duration := _DURATION.fullmatch(text)) is not None:
        hours, minutes, seconds = (int(part or 0) for part in duration.groups())
        return float(hours * 3600 + minutes * 60 + seconds)
    found = list(_NUMBER.finditer(text))
    if len(found) != 1:
        return None
    value = _value(found[0].group())
    if value is None:
        return None
    scale = _SCALE.match(text, found[0].end())
    value *= _SCALES[scale[1].lower()] if scale is not None else 1
    negative = found[0].group().startswith("-") or (found[0].group().startswith("(") and ")" in text)
    return -value if negative else value


def _value(figure: str) -> float | None:
    token = _SPACES.sub("", figure).lstrip("-+(").rstrip(".,").lower()
    mantissa, exponent, power = token.partition("e")
    try:
        value = float(_plain(mantissa) + exponent + power)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _plain(digits: str) -> str:
    """Return the digits with ``.`` as the decimal mark and no thousands separators."""
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        mark, other = (",", ".") if comma > point else (".", ",")
        return digits.replace(other, "").replace(mark, ".")
    for mark, pattern in _GROUPED.items():
        if pattern.fullmatch(digits):
            return digits.replace(mark, "")
    return digits.replace(",", ".")
