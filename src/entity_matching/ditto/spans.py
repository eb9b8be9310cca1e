"""What each word of a value is: a number, a code, a place, a legal form, or a plain word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import pycountry

from entity_matching.ditto.words import SpanType
from entity_matching.normalize.legal_forms import find_forms, split_forms
from entity_matching.normalize.text import normalize_words
from entity_matching.schema import Attribute, Kind

PLACE_WORDS = 4
"""Words of the longest place looked for inside names; longer values are addresses."""
PLACE_LETTERS = 4
"""Letters of the shortest place looked for inside names; shorter ones are codes and everyday words ("in", "us")."""

_UNITS = (
    "in inch inches ft feet yd cm mm m km g kg mg lb lbs oz ml cl l kb mb gb tb hz khz mhz ghz w kw v mah mp mpix "
    "x k p fps dpi rpm st nd rd th pk ct pc pcs s sec min h hr hrs"
).split()
_NUMBER = re.compile(rf"[+-]?\d+(?:[.,:/]\d+)*(?:%|{'|'.join(_UNITS)})?")
# Higher ones are no part of names but abbreviations and sizes: "cd", "xl", "mm".
_ROMAN = re.compile(r"x{0,3}(?:ix|iv|v?i{0,3})")
_LONGEST_ROMAN = 7
_CODE_DIGITS = 7
"""A figure of so many digits is an article or phone number; no one counts to it in a name."""
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[a-z]")
_WORDS_CACHED = 200_000
_LONGEST_CACHED = 64
"""Letters of the longest word that is remembered, so that huge cells do not stay in memory."""


@cache
def country_names() -> dict[str, str]:
    """Return each country's name in English by its ISO 3166 alpha-2 code, in lower-case ASCII words."""
    return {
        country.alpha_2: normalize_words(getattr(country, "common_name", country.name))
        for country in pycountry.countries
    }


@dataclass(frozen=True)
class Places:
    """Places that are found inside names: the world's countries, and those that a reference's columns hold.

    ``learnt``: places beyond the countries, lower-case ASCII words with single spaces between them.
    """

    learnt: tuple[str, ...] = ()

    @classmethod
    def fit(cls, values: Iterable[str], limit: int) -> Places:
        """Learn the places of a reference.

        :param values: values of its place columns, normalised; one for each record, so that they can be counted.
        :param limit: so many are kept at most, the most frequent ones.
        """
        counts = Counter(values)
        names = set(country_names().values())
        found = [value for value, _ in counts.most_common() if _is_place(value) and value not in names]
        return cls(tuple(found[:limit]))

    @cached_property
    def _by_first(self) -> dict[str, list[list[str]]]:
        names = dict.fromkeys((*country_names().values(), *self.learnt))
        found: dict[str, list[list[str]]] = {}
        for words in sorted((name.split() for name in names), key=len, reverse=True):
            found.setdefault(words[0], []).append(words)
        return found

    def find(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """Return where places stand: (first word, word after the last), longest first, not overlapping."""
        known = self._by_first
        found: list[tuple[int, int]] = []
        end = 0
        for start, word in enumerate(words):
            if start < end or word not in known:
                continue
            for place in known[word]:
                if list(words[start : start + len(place)]) == place:
                    end = start + len(place)
                    found.append((start, end))
                    break
        return found


def _is_place(value: str) -> bool:
    return PLACE_LETTERS <= len(value) and value.count(" ") < PLACE_WORDS and value.replace(" ", "").isalpha()


def word_type(word: str) -> SpanType:
    """Return what a word is by its own looks: a number (with its unit, or in Roman figures), a code, or plain.

    Roman figures run from ii to xxxix; a lone letter is a plain word. A code mixes letters and digits, or is a
    figure of seven digits or more.

    :param word: lower-case ASCII.
    """
    return _remembered(word) if len(word) <= _LONGEST_CACHED else _look(word)


def _look(word: str) -> SpanType:
    if _DIGIT.search(word) is None:
        roman = 2 <= len(word) <= _LONGEST_ROMAN and _ROMAN.fullmatch(word) is not None
        return SpanType.NUMBER if roman else SpanType.PLAIN
    if _NUMBER.fullmatch(word) is not None:
        return SpanType.CODE if word.isdigit() and len(word) >= _CODE_DIGITS else SpanType.NUMBER
    return SpanType.CODE if _LETTER.search(word) is not None else SpanType.NUMBER


_remembered = lru_cache(_WORDS_CACHED)(_look)


def span_types(words: list[str], attribute: Attribute, places: Places) -> list[SpanType]:
    """Return the type of each word of a value.

    Identifiers are codes throughout, countries and places are places, numbers and dates are numbers. Legal forms
    are looked for in names alone (as :mod:`entity_matching.normalize.legal_forms` knows them), places in names too.

    :param words: lower-case ASCII words.
    """
    kind = attribute.kind
    if kind is Kind.IDENTIFIER:
        return [SpanType.CODE] * len(words)
    if kind is Kind.CATEGORY and attribute.type in ("country", "place"):
        return [SpanType.PLACE] * len(words)
    if kind in (Kind.NUMBER, Kind.DATE):
        return [SpanType.PLAIN if _DIGIT.search(word) is None else SpanType.NUMBER for word in words]
    types = [word_type(word) for word in words]
    if kind is Kind.NAME:
        for start, end in places.find(words):
            types[start:end] = [SpanType.PLACE] * (end - start)
        for start, end in _forms(words):
            types[start:end] = [SpanType.FORM] * (end - start)
    return types


def _forms(words: list[str]) -> list[tuple[int, int]]:
    """Return where legal forms stand.

    Within a name every one counts, also before a listing suffix or a second name, for a word should be of one
    type in both records; the first word is one only where its country writes the form first ("OOO Lukoil").
    """
    forms = find_forms(words)
    if forms and forms[0].start == 0 and forms[0].name not in split_forms(words, forms)[1]:
        forms = forms[1:]
    return [(form.start, form.end) for form in forms]
