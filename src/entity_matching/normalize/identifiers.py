"""Identifiers brought to one spelling, and refused when their check digit is wrong."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from stdnum import bic, cusip, figi, isin, lei
from stdnum.exceptions import ValidationError

MISSING = frozenset({"", "-", "--", "n/a", "na", "n.a.", "nan", "none", "null", "nil", "unknown", "#n/a"})
"""What tables hold where an identifier is missing, in lower case."""

_SPACE = re.compile(r"\s+")
_NON_WORD = re.compile(r"[\W_]+")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOST = re.compile(r"^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9-]{1,63})+$")
_TICKER = re.compile(r"^[A-Z0-9][A-Z0-9./&*^=+-]{0,31}$")
_VENUE = re.compile(r"[\s:]+")
_NON_DIGIT = re.compile(r"\D+")
# The modules of python-stdnum that check a country's company register number.
_REGISTERS = {
    "GB": "gb.companies_house",
    "FR": "fr.siren",
    "NO": "no.orgnr",
    "SE": "se.orgnr",
    "DK": "dk.cvr",
    "FI": "fi.ytunnus",
    "EE": "ee.registrikood",
    "CZ": "cz.dic",
    "BE": "be.vat",
    "CH": "ch.uid",
    "IE": "ie.vat",
    "BR": "br.cnpj",
    "CN": "cn.uscc",
    "AU": "au.abn",
    "NZ": "nz.nzbn",
    "JP": "jp.cn",
    "KR": "kr.brn",
    "TW": "tw.ubn",
    "SG": "sg.uen",
    "IL": "il.hp",
    "TR": "tr.vkn",
    "PL": "pl.regon",
    "RU": "ru.ogrn",
    "IN": "in_.pan",
    "ZA": "za.tin",
}

Check = Callable[[str, str], str | None]
"""From a trimmed value and a country code ("" if unknown) to the canonical value; ``None``: not valid."""


def normalize_identifier(value: str, kind: str, country: str = "") -> tuple[str, bool]:
    """Return the canonical value of an identifier, and whether what was there is invalid.

    :param kind: an identifier type of :data:`entity_matching.schema.IDENTIFIER_TYPES`.
    :param country: ISO 3166 alpha-2 code that tells whose rules a VAT or registration number follows.
    :return: ("", False) if nothing is there, ("", True) if it is not valid, else (canonical value, False).
    """
    value = value.strip()
    if value.lower() in MISSING:
        return "", False
    canonical = _CHECKS[kind](value, country)
    return (canonical, False) if canonical else ("", True)


def _checked(module: Any) -> Check:
    def check(value: str, _country: str) -> str | None:
        try:
            return str(module.validate(value)).upper()
        except (ValidationError, ValueError):
            return None

    return check


def _vat(value: str, country: str) -> str | None:
    compact = _NON_WORD.sub("", value).upper()
    prefix = compact[:2] if compact[:2].isalpha() else ""
    code = prefix or country
    module = _national("vat", code)
    if module is None and prefix and country:
        module, code = _national("vat", country), country
    if module is None:
        return compact if any(char.isdigit() for char in compact) else None
    number = _validated(module, compact) or _validated(module, compact.removeprefix(code))
    return None if number is None else code + number.removeprefix(code)


def _registration(value: str, country: str) -> str | None:
    compact = _NON_WORD.sub("", value).upper()
    if not any(char.isdigit() for char in compact):
        return None
    module = _national("register", country)
    if module is not None:
        number = _validated(module, value) or _validated(module, compact)
        return f"{country}{number}" if number else None
    return compact


@cache
def _national(what: str, country: str) -> Any:
    """Return python-stdnum's module for a country's numbers, ``None`` where it has none."""
    if not country:
        return None
    if what == "vat":
        from stdnum import get_cc_module  # noqa: PLC0415 - walks the package, so only when needed

        return get_cc_module("gr" if country == "EL" else country.lower(), "vat")
    name = _REGISTERS.get(country)
    try:
        return importlib.import_module(f"stdnum.{name}") if name else None
    except ImportError:
        return None


def _validated(module: Any, value: str) -> str | None:
    try:
        return str(module.validate(value)).upper()
    except (ValidationError, ValueError, IndexError, KeyError):
        return None


def _ticker(value: str, _country: str) -> str | None:
    ticker = _SPACE.sub(" ", value).upper()
    ticker = _VENUE.sub(".", ticker)
    return ticker if _TICKER.match(ticker) else None


def _website(value: str, _country: str) -> str | None:
    host = _SCHEME.sub("", value.strip().lower()).lstrip("/")
    host = re.split(r"[/?#\s]", host, maxsplit=1)[0].rsplit("@", 1)[-1].split(":", 1)[0].strip(".")
    while host.startswith(("www.", "www2.", "m.")) and host.count(".") > 1:
        host = host.split(".", 1)[1]
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return host if _HOST.match(host) and not host.replace(".", "").isdigit() else None


def _phone(value: str, _country: str) -> str | None:
    digits = _NON_DIGIT.sub("", value.split("ext")[0].split("x")[0])
    digits = digits.removeprefix("00")
    return digits if 5 <= len(digits) <= 20 else None


def _own(value: str, _country: str) -> str | None:
    return _SPACE.sub(" ", value).upper()


_CHECKS: dict[str, Check] = {
    "lei": _checked(lei),
    "isin": _checked(isin),
    "cusip": _checked(cusip),
    "figi": _checked(figi),
    "bic": _checked(bic),
    "vat": _vat,
    "registration": _registration,
    "own": _own,
    "ticker": _ticker,
    "website": _website,
    "phone": _phone,
}
