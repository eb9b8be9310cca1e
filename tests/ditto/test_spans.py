from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.ditto.spans import Places, country_names, span_types, word_type
from entity_matching.ditto.words import SpanType
from entity_matching.schema import Attribute, Kind

PLAIN, NUMBER, CODE, PLACE, FORM = SpanType


def types(
    text: str, kind: Kind = Kind.NAME, subtype: str | None = None, places: Places | None = None
) -> list[SpanType]:
    return span_types(text.split(), Attribute(name="a", kind=kind, type=subtype), places or Places())


@pytest.mark.parametrize(
    "word", ["7", "129.95", "1/2", "5%", "24in", "10.1ft", "500gb", "3rd", "ii", "iv", "xix", "-3", "2012-08-01"]
)
def test_figures_are_numbers(word: str) -> None:
    assert word_type(word) is NUMBER


@pytest.mark.parametrize("word", ["sdp101s", "4in1", "dscw55", "us0378331005", "7027317525", "800x480", "i5"])
def test_letters_mixed_with_digits_and_long_figures_are_codes(word: str) -> None:
    assert word_type(word) is CODE


@pytest.mark.parametrize("word", ["steel", "i", "x", "in", "cd", "mm", "xl", "mix", "vivid", "-"])
def test_other_words_are_plain(word: str) -> None:
    assert word_type(word) is PLAIN


def test_a_huge_word_is_typed_at_once() -> None:
    start = time.perf_counter()
    assert word_type("a" * 100_000) is PLAIN
    assert word_type("a" * 100_000 + "1") is CODE
    assert word_type("1" * 100_000) is CODE
    assert time.perf_counter() - start < 1


def test_legal_forms_are_found_in_names_alone() -> None:
    assert types("deutsche bank ag") == [PLAIN, PLAIN, FORM]
    assert types("deutsche bank ag", Kind.TEXT) == [PLAIN] * 3
    assert types("acme limited liability company") == [PLAIN, FORM, FORM, FORM]


def test_a_legal_form_is_one_also_before_a_listing_suffix_or_a_second_name() -> None:
    assert types("leifheit ag on")[1] is FORM
    assert types("akzo nobel nv akzo nobel") == [PLAIN, PLAIN, FORM, PLAIN, PLAIN]


def test_the_first_word_is_a_form_only_where_its_country_writes_it_there() -> None:
    assert types("ooo lukoil") == [FORM, PLAIN]
    assert types("company of heroes") == [PLAIN] * 3


def test_countries_and_learnt_places_are_found_in_names() -> None:
    places = Places.fit(["lyon", "lyon", "san jose"], limit=10)
    assert types("bank of san jose ltd", places=places) == [PLAIN, PLAIN, PLACE, PLACE, FORM]
    assert types("air france", places=places) == [PLAIN, PLACE]
    assert types("new zealand post") == [PLACE, PLACE, PLAIN]
    assert types("lyon san marino")[0] is PLAIN, "what was not learnt is no place"


def test_of_two_places_the_longer_one_is_found() -> None:
    places = Places.fit(["york", "york new york"], limit=10)
    assert places.find(["york", "new", "york", "york"]) == [(0, 3), (3, 4)]


def test_short_values_addresses_and_figures_are_no_places() -> None:
    assert Places.fit(["us", "", "12 high street", "1 2 3 4", "one two three four five", "paris"], 9).learnt == (
        "paris",
    )


def test_the_most_frequent_places_are_kept() -> None:
    assert Places.fit(["rome", "oslo", "oslo", "bern", "bern", "bern"], limit=2).learnt == ("bern", "oslo")


@pytest.mark.parametrize(
    ("kind", "subtype", "expected"),
    [
        (Kind.IDENTIFIER, "phone", CODE),
        (Kind.IDENTIFIER, "ticker", CODE),
        (Kind.CATEGORY, "country", PLACE),
        (Kind.CATEGORY, "place", PLACE),
        (Kind.CATEGORY, "currency", PLAIN),
        (Kind.CATEGORY, None, PLAIN),
        (Kind.NUMBER, None, PLAIN),
        (Kind.DATE, None, PLAIN),
    ],
)
def test_the_kind_of_an_attribute_tells_what_its_words_are(kind: Kind, subtype: str | None, expected: SpanType) -> None:
    assert types("abc", kind, subtype) == [expected]


def test_figures_of_numbers_and_dates_are_numbers_whatever_they_look_like() -> None:
    assert types("1e+20 7027317525", Kind.NUMBER) == [NUMBER, NUMBER]
    assert types("2012-08-01", Kind.DATE) == [NUMBER]


def test_countries_are_known_by_their_everyday_names() -> None:
    assert country_names()["DE"] == "germany"
    assert country_names()["TW"] == "taiwan"


@given(st.text("abciv019.- ", max_size=60), st.sampled_from(Kind))
def test_every_word_has_one_type(text: str, kind: Kind) -> None:
    subtype = "own" if kind is Kind.IDENTIFIER else None
    assert len(types(text, kind, subtype)) == len(text.split())
