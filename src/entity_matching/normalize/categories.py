"""Categories brought to one spelling: countries, currencies, places and plain ones."""

from __future__ import annotations

from functools import cache
from importlib import resources

import pycountry
import yaml

from entity_matching.normalize.text import normalize_words

_LONGEST_COUNTRY = 200


def _variants(what: str) -> dict[str, str]:
    text = resources.files(__package__).joinpath("data/categories.yml").read_text(encoding="utf-8")
    return {name: code for code, names in yaml.safe_load(text)[what].items() for name in names}


@cache
def _countries() -> dict[str, str]:
    names: dict[str, str] = {}
    for country in pycountry.countries:
        code = country.alpha_2
        for field in ("name", "official_name", "common_name", "alpha_2", "alpha_3"):
            value = getattr(country, field, None)
            if value:
                names.setdefault(normalize_words(value), code)
    return names | _variants("countries")


@cache
def _currencies() -> dict[str, str]:
    names: dict[str, str] = {}
    for currency in pycountry.currencies:
        names[currency.alpha_3.lower()] = currency.alpha_3
        names.setdefault(currency.name.lower(), currency.alpha_3)
    return names | _variants("currencies")


def normalize_country(value: str) -> str:
    """Return the ISO 3166 alpha-2 code of a country's name or code; its plain words if it is none."""
    words = normalize_words(value)
    code = _countries().get(words)
    if code is None and words.startswith("the "):
        code = _countries().get(words[4:])
    if code is None and words:
        code = _territory(value) or _territory(words)
    return code or words


def _territory(value: str) -> str | None:
    """Return the country of a name in another language, or of one of a country's parts."""
    if len(value) > _LONGEST_COUNTRY:
        return None
    from rigour.territories import lookup_territory  # noqa: PLC0415 - a large table, seldom needed

    territory = lookup_territory(value)
    code = "" if territory is None else territory.code.partition("-")[0]
    return code.upper() if len(code) == 2 else None


def normalize_currency(value: str) -> str:
    """Return the ISO 4217 code of a currency's code, sign or name; its plain words if it is none."""
    key = " ".join(value.lower().split())
    words = normalize_words(value)
    return _currencies().get(key) or _currencies().get(words) or words


def normalize_category(value: str, kind: str | None) -> str:
    """Return the canonical value of a category.

    :param kind: ``country``, ``currency``, ``place`` or ``None`` (plain words).
    :return: the code, or lower-case ASCII words; "" for blank text.
    """
    if kind == "country":
        return normalize_country(value)
    if kind == "currency":
        return normalize_currency(value)
    return normalize_words(value)
