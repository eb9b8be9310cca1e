"""Identifiers: one spelling, and only with a right check digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.normalize.identifiers import normalize_identifier
from entity_matching.schema import IDENTIFIER_TYPES


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("lei", " 5493001kjtiigc8y1r12", "5493001KJTIIGC8Y1R12"),
        ("isin", "us0378331005", "US0378331005"),
        ("isin", "US 037833 1005", "US0378331005"),
        ("cusip", "037833100", "037833100"),
        ("cusip", "37833100", "037833100"),
        ("cusip", "594918104.0", "594918104"),
        ("figi", "bbg000b9xry4", "BBG000B9XRY4"),
        ("bic", "deutdeff", "DEUTDEFF"),
        ("bic", "DEUTDEFFXXX", "DEUTDEFF"),
        ("bic", "DEUTDEFF500", "DEUTDEFF500"),
        ("ticker", "0ye.be", "0YE.BE"),
        ("ticker", "bom:500325", "BOM.500325"),
        ("website", "https://www.Example.co.uk/about?x=1", "example.co.uk"),
        ("phone", "+44 (0)20 7946-0958 ext. 3", "442079460958"),
        ("phone", "702/731 -7888", "7027317888"),
        ("own", " c 00012 ", "C 00012"),
    ],
)
def test_an_identifier_has_one_spelling(kind: str, raw: str, value: str) -> None:
    assert normalize_identifier(raw, kind) == (value, False)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("lei", "5493001KJTIIGC8Y1R13"),
        ("lei", "549300"),
        ("isin", "US0378331006"),
        ("isin", "U\u04210378331005"),
        ("cusip", "037833101"),
        ("figi", "BBG000B9XRY5"),
        ("bic", "DEUT"),
        ("ticker", "not a ticker, surely"),
        ("website", "no address"),
        ("website", "192.168.0.1"),
        ("phone", "12"),
        ("vat", "DE136695977"),
        ("registration", "none given yet"),
    ],
)
def test_a_wrong_identifier_is_invalid(kind: str, raw: str) -> None:
    assert normalize_identifier(raw, kind) == ("", True)


@pytest.mark.parametrize("kind", list(IDENTIFIER_TYPES))
@pytest.mark.parametrize("raw", ["", "  ", "-", "N/A", "nan", "None", "NULL"])
def test_a_missing_identifier_is_not_invalid(kind: str, raw: str) -> None:
    assert normalize_identifier(raw, kind) == ("", False)


@pytest.mark.parametrize("kind", list(IDENTIFIER_TYPES))
@given(raw=st.text(max_size=40), country=st.sampled_from(["", "DE", "GB", "FR", "NO", "CN", "XX"]))
def test_no_string_raises_and_a_value_is_its_own_canonical_form(kind: str, raw: str, country: str) -> None:
    value, invalid = normalize_identifier(raw, kind, country)
    assert not (value and invalid)
    if value:
        assert normalize_identifier(value, kind, country) == (value, False)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("lei", "5493001KJTIIGC8Y1R12"), ("isin", "US0378331005"), ("cusip", "037833100"), ("figi", "BBG000B9XRY4")],
)
def test_another_check_digit_makes_it_invalid(kind: str, value: str) -> None:
    for digit in set("0123456789") - {value[-1]}:
        assert normalize_identifier(value[:-1] + digit, kind) == ("", True)
