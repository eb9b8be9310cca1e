"""The words of a record: what is serialised, augmented and read by the model."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass


class SpanType(enum.IntEnum):
    """What a word is. Augmentation never destroys a typed one, and the model is told the type of each word.

    ``PLAIN``: any other word. ``NUMBER``: a figure, an amount, a Roman numeral. ``CODE``: an identifier, a model
    number, a phone number. ``PLACE``: a country, city or region. ``FORM``: a legal form.
    """

    PLAIN = 0
    NUMBER = 1
    CODE = 2
    PLACE = 3
    FORM = 4


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a value: lower-case, without white space, never empty."""

    text: str
    type: SpanType = SpanType.PLAIN


@dataclass(frozen=True, slots=True)
class Value:
    """What a record says under one attribute; never without words."""

    attribute: str
    words: tuple[Word, ...]


Record = tuple[Value, ...]
"""What a record says, attribute by attribute; what it does not say is left out, so it may be empty."""


def words_of(record: Record) -> Iterator[Word]:
    """Yield a record's words in order."""
    for value in record:
        yield from value.words
