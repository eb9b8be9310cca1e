"""Numbers that states give to companies: VAT numbers and numbers of the company registers."""

from __future__ import annotations

import importlib
import re
from functools import cache
from typing import Any

from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

# The checks of python-stdnum that the numbers of a country's registers obey; one must hold. A country is left
# out where some of its register numbers have no check digit: there any number with a digit is taken.
_REGISTERS = {
    "AU": ("au.acn", "au.abn"),
    "BE": ("be.vat",),
    "BR": ("br.cnpj",),
    "CH": ("ch.uid",),
    "CN": ("cn.uscc",),
    "CZ": ("cz.dic",),
    "DK": ("dk.cvr",),
    "EE": ("ee.registrikood",),
    "FI": ("fi.ytunnus",),
    "FR": ("fr.siren", "fr.siret"),
    "IL": ("il.hp",),
    "JP": ("jp.cn",),
    "KR": ("kr.brn",),
    "NO": ("no.orgnr",),
    "RU": ("ru.ogrn", "ru.inn"),
    "SE": ("se.orgnr",),
    "SG": ("sg.uen",),
    "TW": ("tw.ubn",),
}
_NON_WORD = re.compile(r"[\W_]+")
_VAT_WORDS = re.compile(r"(?:MWST|TVA|IVA|TPV|MVA|HR)$")
_LONGEST = 64


def vat(value: str, country: str) -> str | None:
    """Return a VAT number with its country prefix, ``None`` if it is not valid.

    The prefix in the number tells the country; without one ``country`` does. Where neither does, or the country
    has no known check, any code with a digit is taken as it is.
    """
    compact = _compact(value)
    if compact is None:
        return None
    for code in dict.fromkeys((compact[:2], country)):
        module = _vat_module(code)
        if module is not None:
            prefix = "GR" if code == "EL" else code
            for candidate in (compact, compact.removeprefix(code)):
                number = _validated(module, candidate)
                if number is not None:
                    bare = number.removeprefix("EL" if prefix == "GR" else code).removeprefix(code)
                    return prefix + _VAT_WORDS.sub("", bare)
            return None
    return (country if not compact.startswith(country) else "") + compact


def registration(value: str, country: str) -> str | None:
    """Return a register number, the country's code before it where that is known; ``None`` if it is not valid."""
    compact = _compact(value)
    if compact is None:
        return None
    modules = [importlib.import_module(f"stdnum.{name}") for name in _REGISTERS.get(country, ())]
    if not modules:
        return compact if compact.startswith(country) else country + compact
    for module in modules:
        for candidate in (compact, compact.removeprefix(country)):
            number = _validated(module, candidate)
            if number is not None:
                return country + _NON_WORD.sub("", number.removeprefix(country))
    return None


def _compact(value: str) -> str | None:
    """Return letters and digits alone, ``None`` for what cannot be a number of a register."""
    if len(value) > _LONGEST or not value.isascii():
        return None
    compact = _NON_WORD.sub("", value).upper()
    return compact if any(char.isdigit() for char in compact) else None


@cache
def _vat_module(code: str) -> Any:
    if len(code) != 2 or not (code.isascii() and code.isalpha()):
        return None
    return get_cc_module("gr" if code == "EL" else code.lower(), "vat")


def _validated(module: Any, value: str) -> str | None:
    try:
        return str(module.validate(value)).upper()
    except ValidationError:
        return None
