"""Categories brought to one spelling: countries, currencies, places and plain ones."""

from __future__ import annotations

import gettext
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

import pycountry
import yaml

from entity_matching.normalize.text import normalize_words

_NAMES = ("name", "official_name", "common_name")
_FEDERATIONS = frozenset("AE AT AU BR CA CH DE IN MX US".split())
"""Countries whose states people write in place of the country; elsewhere provinces are called "Delta" or "Norte"."""
_STATES = frozenset({"State", "Province", "Land", "Canton", "Territory", "Union territory", "Emirate"})
_SHORTEST_NAME = 4
"""Letters of the shortest name looked for among translations and states; shorter ones are codes elsewhere."""


def _variants(what: str) -> dict[str, str]:
    text = resources.files(__package__).joinpath("data/categories.yml").read_text(encoding="utf-8")
    return {name: code for code, names in yaml.safe_load(text)[what].items() for name in names}


@cache
def _countries() -> dict[str, str]:
    names: dict[str, str] = {}
    for country in pycountry.countries:
        code = country.alpha_2
        for field in (*_NAMES, "alpha_2", "alpha_3"):
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


@cache
def _further_countries() -> dict[str, str]:
    """Return the names of countries in other languages, and those of federal states, with the country's code.

    A name that means two countries is left out; a country's name goes before a state's.
    """
    states = (
        (state.name, state.country_code)
        for state in pycountry.subdivisions
        if state.country_code in _FEDERATIONS and state.type in _STATES
    )
    return _unique(states) | _unique(_translations())


def _unique(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, code in names:
        words = normalize_words(name)
        if len(words) >= _SHORTEST_NAME and found.setdefault(words, code) != code:
            found[words] = ""
    return {words: code for words, code in found.items() if code}


def _translations() -> Iterable[tuple[str, str]]:
    """Return the names of countries in every language that pycountry has, each once, with the country's code."""
    folder = Path(pycountry.LOCALES_DIR)
    given = [
        (getattr(country, field), country.alpha_2)
        for country in pycountry.countries
        for field in _NAMES
        if getattr(country, field, None)
    ]
    found: dict[tuple[str, str], None] = {}  # languages share more than half of the names
    for language in sorted(path.name for path in folder.iterdir()):
        try:
            translation = gettext.translation("iso3166-1", folder, [language])
        except OSError:  # a language that translates other lists alone
            continue
        found.update(((translation.gettext(name), code), None) for name, code in given)
    return found


def normalize_country(value: str) -> str:
    """Return the ISO 3166 alpha-2 code of a country's name or code; its plain words if it is none.

    The name may be in any of the languages that ISO's names are translated to, or that of a federal state.
    """
    words = normalize_words(value)
    bare = words.removeprefix("the ").removesuffix(" the")
    for names in (_countries, _further_countries):
        code = names().get(words) or names().get(bare)
        if code:
            return code
    return words


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
