"""Categories brought to one spelling: countries, currencies, places and plain ones."""

from __future__ import annotations

from functools import cache

import pycountry

from entity_matching.normalize.text import normalize_words

_COUNTRY_VARIANTS = {
    "uk": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB",
    "britain": "GB", "usa": "US", "us": "US", "united states of america": "US", "america": "US",
    "south korea": "KR", "korea": "KR", "republic of korea": "KR", "korea republic": "KR", "north korea": "KP",
    "russia": "RU", "czech republic": "CZ", "czechia": "CZ", "hong kong": "HK", "hong kong sar": "HK",
    "macau": "MO", "macao": "MO", "taiwan": "TW", "vietnam": "VN", "iran": "IR", "syria": "SY", "laos": "LA",
    "bolivia": "BO", "venezuela": "VE", "tanzania": "TZ", "moldova": "MD", "macedonia": "MK", "north macedonia": "MK",
    "turkey": "TR", "turkiye": "TR", "ivory coast": "CI", "cote divoire": "CI", "swaziland": "SZ", "burma": "MM",
    "cape verde": "CV", "holland": "NL", "the netherlands": "NL", "uae": "AE", "emirates": "AE", "prc": "CN",
    "mainland china": "CN", "peoples republic of china": "CN", "deutschland": "DE", "osterreich": "AT",
    "schweiz": "CH", "suisse": "CH", "svizzera": "CH", "espana": "ES", "italia": "IT", "nederland": "NL",
    "belgique": "BE", "belgie": "BE", "sverige": "SE", "norge": "NO", "danmark": "DK", "suomi": "FI", "polska": "PL",
    "brasil": "BR", "mexique": "MX", "kosovo": "XK", "palestine": "PS", "reunion": "RE", "brunei": "BN",
    "democratic republic of the congo": "CD", "dr congo": "CD", "congo kinshasa": "CD", "vatican": "VA",
    "british virgin islands": "VG", "bvi": "VG", "us virgin islands": "VI", "micronesia": "FM", "el": "GR",
}  # fmt: skip

_CURRENCY_VARIANTS = {
    "$": "USD", "us$": "USD", "usd$": "USD", "us dollar": "USD", "dollar": "USD", "€": "EUR", "euro": "EUR", "euros": "EUR",
    "£": "GBP", "pound": "GBP", "pound sterling": "GBP", "sterling": "GBP", "¥": "JPY", "yen": "JPY", "rmb": "CNY",
    "renminbi": "CNY", "yuan": "CNY", "cnh": "CNY", "gbx": "GBP", "gbp": "GBP", "gbp pence": "GBP", "zac": "ZAR", "ila": "ILS", "₹": "INR", "rs": "INR",
    "₩": "KRW", "sfr": "CHF", "fr": "CHF", "hk$": "HKD", "a$": "AUD", "c$": "CAD", "nt$": "TWD", "s$": "SGD", "r$": "BRL",
}  # fmt: skip


@cache
def _countries() -> dict[str, str]:
    names: dict[str, str] = {}
    for country in pycountry.countries:
        code = country.alpha_2
        for field in ("name", "official_name", "common_name", "alpha_2", "alpha_3"):
            value = getattr(country, field, None)
            if value:
                names.setdefault(normalize_words(value), code)
    names.update(_COUNTRY_VARIANTS)
    return names


@cache
def _currencies() -> dict[str, str]:
    names: dict[str, str] = {}
    for currency in pycountry.currencies:
        names[currency.alpha_3.lower()] = currency.alpha_3
        names.setdefault(currency.name.lower(), currency.alpha_3)
    return names | _CURRENCY_VARIANTS


def normalize_country(value: str) -> str:
    """Return the ISO 3166 alpha-2 code of a country's name or code; its plain words if it is none."""
    words = normalize_words(value)
    code = _countries().get(words)
    if code is None and words.startswith("the "):
        code = _countries().get(words[4:])
    if code is None and words:
        from rigour.territories import lookup_territory  # noqa: PLC0415 - a large table, seldom needed

        territory = lookup_territory(value.strip()[:200])
        parent = territory.iso2 if hasattr(territory, "iso2") else None
        code = parent or (territory.code[:2].upper() if territory is not None else None)
    return code or words


def normalize_currency(value: str) -> str:
    """Return the ISO 4217 code of a currency's code, sign or name; its plain words if it is none."""
    key = " ".join(value.lower().split())
    return _currencies().get(key) or normalize_words(value)


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
