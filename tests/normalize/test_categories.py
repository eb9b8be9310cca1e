"""Countries, currencies and other categories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.normalize.categories import normalize_category


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("Germany", "DE"),
        ("DE", "DE"),
        ("deu", "DE"),
        ("Deutschland", "DE"),
        ("South Korea", "KR"),
        ("Russia", "RU"),
        ("Россия", "RU"),
        ("Российская Федерация", "RU"),
        ("Allemagne", "DE"),
        ("Corea del Sur", "KR"),
        ("ドイツ", "DE"),
        ("Korea, Rep.", "KR"),
        ("Bahamas, The", "BS"),
        ("Ontario", "CA"),
        ("Georgia", "GE"),
        ("Niger", "NE"),
        ("Luxembourg", "LU"),
        ("UK", "GB"),
        ("Scotland", "GB"),
        ("Czech Republic", "CZ"),
        ("Hong Kong", "HK"),
        ("U.S.A.", "US"),
        ("United States", "US"),
        ("The Netherlands", "NL"),
        ("Taiwan", "TW"),
        ("Türkiye", "TR"),
        ("Côte d'Ivoire", "CI"),
        ("Atlantis", "atlantis"),
        ("", ""),
    ],
)
def test_countries_become_their_iso_code(raw: str, code: str) -> None:
    assert normalize_category(raw, "country") == code


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("eur", "EUR"),
        ("€", "EUR"),
        ("US Dollar", "USD"),
        ("GBX", "GBP"),
        ("Swiss franc", "CHF"),
        ("shells", "shells"),
        ("", ""),
    ],
)
def test_currencies_become_their_iso_code(raw: str, code: str) -> None:
    assert normalize_category(raw, "currency") == code


def test_places_and_plain_categories_become_words() -> None:
    assert normalize_category("São Paulo (SP)", "place") == "sao paulo sp"
    assert normalize_category("Hotels, Restaurants & Leisure", None) == "hotels restaurants and leisure"


@pytest.mark.parametrize("kind", ["country", "currency", "place", None])
@given(raw=st.text(max_size=30))
def test_no_string_raises_and_a_value_is_its_own_canonical_form(kind: str | None, raw: str) -> None:
    value = normalize_category(raw, kind)
    assert normalize_category(value, kind) == value
