"""The kind of an attribute, from what its columns are called and what they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from entity_matching.guess.concepts import Concept
from entity_matching.guess.values import (
    Sample,
    is_country,
    is_currency,
    is_date,
    is_identifier,
    is_number,
    is_phone,
    is_website,
)
from entity_matching.schema import Kind

MANY = 0.9
"""Share of values that must look so for the values alone to tell the kind."""
_MOST = 0.5
"""Share of values that must look so to bear out what the column's name says."""
_FEW = 5
"""Values needed for the values alone to tell an identifier."""
LONGEST_NAME = 6
"""Median words up to which a name is one; with more it is compared as text."""
_REPEATED = 0.6
"""Share of repeated values from which short text is a category."""


@dataclass(frozen=True)
class Guess:
    """A guessed kind: as in :class:`entity_matching.schema.Attribute`."""

    kind: Kind
    type: str | None = None
    strong: bool | None = None


_CHECKED = ("lei", "figi", "isin")
"""Identifiers whose form and check digits leave no doubt."""
_TESTS: dict[tuple[Kind, str | None], Callable[[str], bool]] = {
    (Kind.CATEGORY, "country"): is_country,
    (Kind.CATEGORY, "currency"): is_currency,
    (Kind.IDENTIFIER, "website"): is_website,
    (Kind.IDENTIFIER, "phone"): is_phone,
    (Kind.NUMBER, None): is_number,
    (Kind.DATE, None): lambda value: is_date(value) or value.isdigit(),
}


def guess_kind(concept: Concept | None, sample: Sample) -> Guess:
    """Guess the kind of an attribute.

    :param concept: what a column of such a name usually holds; the values must bear it out.
    :param sample: values of both tables.
    """
    named = _from_name(concept, sample) if concept is not None else None
    return named or _from_type(sample) or _from_values(sample)


def _from_name(concept: Concept, sample: Sample) -> Guess | None:
    kind = concept.kind
    if kind is None:
        return None
    if kind is Kind.NAME:
        return Guess(kind if sample.words <= LONGEST_NAME else Kind.TEXT)
    if kind is Kind.CATEGORY and concept.type is None and sample.words > LONGEST_NAME:
        return Guess(Kind.TEXT)
    test = _TESTS.get((kind, concept.type))
    if test is None and kind is Kind.IDENTIFIER:
        test = is_identifier(concept.type or "own")
    if test is not None and sample.values and sample.share(test) < _MOST:
        return Guess(Kind.CATEGORY) if kind is Kind.CATEGORY else None
    return Guess(kind, concept.type, concept.strong)


def _from_type(sample: Sample) -> Guess | None:
    return Guess(sample.native) if sample.native is not None else None


def _from_values(sample: Sample) -> Guess:
    if len(sample.values) >= _FEW:
        for type_ in _CHECKED:
            if sample.share(is_identifier(type_)) >= MANY:
                return Guess(Kind.IDENTIFIER, type_)
        for (kind, typed), test in _TESTS.items():
            if kind is not Kind.DATE and sample.share(test) >= MANY:
                return Guess(kind, typed)
        if sample.share(is_date) >= MANY:
            return Guess(Kind.DATE)
    if sample.words <= LONGEST_NAME and sample.repetition >= _REPEATED:
        return Guess(Kind.CATEGORY)
    return Guess(Kind.TEXT)
