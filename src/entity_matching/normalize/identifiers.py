"""Identifiers brought to one spelling, and refused when their check digit is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable

from stdnum import bic, cusip, figi, isin, lei
from stdnum.exceptions import ValidationError

from entity_matching.normalize.registers import registration, vat
from entity_matching.normalize.websites import website

MISSING = frozenset({"-", "--", "n/a", "na", "n.a.", "nan", "none", "null", "nil", "unknown", "#n/a", "?"})
"""What tables hold where an identifier is missing, in lower case."""

_SPACE = re.compile(r"\s+")
_TICKER = re.compile(r"[A-Z0-9][A-Z0-9./&*^=+-]{0,31}")
_VENUE = re.compile(r"[\s:]+")
_NON_DIGIT = re.compile(r"[^0-9]+")
_EXTENSION = re.compile(r"(?:ext|x|#)", re.IGNORECASE)
_FROM_NUMBER = re.compile(r"(\d{1,9})(?:\.0)?")
_LEI_LENGTH = 20
_CUSIP_LENGTH = 9

Check = Callable[[str, str], str | None]
"""From a trimmed value and a country code ("" if unknown) to the canonical value; ``None``: not valid."""


def normalize_identifier(value: str, kind: str, country: str = "") -> tuple[str, bool]:
    """Return the canonical value of an identifier, and whether what was there is invalid.

    :param kind: an identifier type of :data:`entity_matching.schema.IDENTIFIER_TYPES`.
    :param country: ISO 3166 alpha-2 code that tells whose rules a VAT or registration number follows.
    :return: ("", False) if nothing is there, ("", True) if it is not valid, else (canonical value, False).
    """
    value = value.strip()
    if not value or value.lower() in MISSING:
        return "", False
    canonical = _CHECKS[kind](value, country)
    return (canonical, False) if canonical else ("", True)


def _lei(value: str, _country: str) -> str | None:
    code = _validated(lei.validate, value)
    return code if code is not None and len(code) == _LEI_LENGTH and code[-2:].isdigit() else None


def _isin(value: str, _country: str) -> str | None:
    return _validated(isin.validate, value)


def _cusip(value: str, _country: str) -> str | None:
    """Return the CUSIP; zeros that a spreadsheet dropped from its start are put back."""
    number = _FROM_NUMBER.fullmatch(value)
    return _validated(cusip.validate, number[1].zfill(_CUSIP_LENGTH) if number is not None else value)


def _figi(value: str, _country: str) -> str | None:
    return _validated(figi.validate, value)


def _bic(value: str, _country: str) -> str | None:
    """Return the BIC; that of a head office may end in XXX or not, and here does not."""
    code = _validated(bic.validate, value)
    return code.removesuffix("XXX") if code is not None and len(code) == 11 else code


def _validated(validate: Callable[[str], str], value: str) -> str | None:
    if not value.isascii():
        return None
    try:
        return validate(value).upper()
    except ValidationError:
        return None


def _ticker(value: str, _country: str) -> str | None:
    ticker = _VENUE.sub(".", value.upper())
    return ticker if _TICKER.fullmatch(ticker) else None


def _phone(value: str, _country: str) -> str | None:
    """Return the digits, at least 5 and at most 20, without 00, (0) and extension."""
    number = _EXTENSION.split(value.replace("(0)", ""), maxsplit=1)[0]
    digits = _NON_DIGIT.sub("", number).removeprefix("00")
    return digits if 5 <= len(digits) <= 20 else None


def _own(value: str, _country: str) -> str | None:
    return _SPACE.sub(" ", value).upper()


_CHECKS: dict[str, Check] = {
    "lei": _lei,
    "isin": _isin,
    "cusip": _cusip,
    "figi": _figi,
    "bic": _bic,
    "vat": vat,
    "registration": registration,
    "own": _own,
    "ticker": _ticker,
    "website": website,
    "phone": _phone,
}
