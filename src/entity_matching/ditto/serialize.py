"""Records in Ditto's form: ``COL company name VAL deutsche bank ag COL country VAL germany``."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.ditto.spans import Places, country_names, span_types
from entity_matching.ditto.words import Record, SpanType, Value, Word
from entity_matching.errors import ArtifactError, InputError, SchemaError
from entity_matching.normalize.identifiers import MISSING
from entity_matching.normalize.text import normalize_text, normalize_words, to_ascii
from entity_matching.records import part
from entity_matching.schema import Attribute, Kind, Schema

COLUMN = "COL"
VALUE = "VAL"
LEAST = 0.01
"""Least weight of a word, so that one which every record has still counts more than none."""
WORD_LIMIT = 500_000
"""Words whose frequency is kept, the most frequent ones; one beyond counts as standing in a single record."""
PLACE_LIMIT = 50_000
"""Places learnt from a reference, the most frequent ones; countries are known besides."""
_WORDS_CACHED = 200_000
_LONGEST_CACHED = 64
"""Letters of the longest word of which one copy serves all records."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serializer:
    """Turns normalised records into words, and knows what a word tells.

    ``counts``: of each word that stands in several of the reference's records, in how many. ``documents``: records
    of the reference. ``places``: places that are recognised inside names.
    """

    schema: Schema
    counts: Mapping[str, int] = field(default_factory=dict)
    documents: int = 0
    places: Places = Places()

    @classmethod
    def fit(cls, references: pa.Table, schema: Schema) -> Serializer:
        """Count the words of a reference and learn its places.

        :param references: the normalised table of :mod:`entity_matching.records`.
        """
        counts: Counter[str] = Counter()
        columns = [_words(references, attribute) for attribute in schema.attributes]
        present = [column for column in columns if column is not None]
        if len(present) == 1:
            _count_one(counts, *present[0])
        elif present:
            for row in zip(*(map(words.__getitem__, rows) for words, rows in present), strict=True):
                counts.update({word for words in row for word in words})
        kept = {word: count for word, count in counts.items() if count > 1}
        if len(kept) > WORD_LIMIT:
            logger.info("Of %d words, the %d most frequent are weighed by frequency", len(kept), WORD_LIMIT)
            kept = dict(Counter(kept).most_common(WORD_LIMIT))
        return cls(schema, kept, references.num_rows, _places(references, schema))

    def idf(self, word: str) -> float:
        """Return how much a word tells: 0.01 (every record has it) to 1, higher is rarer.

        Inverse document frequency, ``ln((1 + n) / (1 + df)) / ln(1 + n)``: the smoothed form of Sparck Jones (1972),
        scaled. A word that was not counted weighs as much as one of a single record.
        """
        scale = math.log1p(max(self.documents, 1))
        return max(LEAST, 1.0 - math.log1p(self.counts.get(word, 1)) / scale)

    def records(self, table: pa.Table, hidden: Collection[str] = ()) -> list[Record]:
        """Return the words of each record, attributes in the schema's order.

        :param table: a normalised table of either side; an attribute that it does not have is left out.
        :param hidden: attributes to leave out.
        :raises SchemaError: if an attribute to hide is not in the schema.
        """
        names = [attribute.name for attribute in self.schema.attributes]
        unknown = sorted(set(hidden) - set(names))
        if unknown:
            raise SchemaError(
                f"The attribute '{unknown[0]}' cannot be hidden: the schema does not have it. "
                f"Its attributes are: {', '.join(names)}.",
                remedy="Correct the name.",
            )
        shown = [attribute for attribute in self.schema.attributes if attribute.name not in hidden]
        columns = [values for attribute in shown if (values := self._values(table, attribute)) is not None]
        if not columns:
            return [()] * table.num_rows
        return [tuple(value for value in row if value is not None) for row in zip(*columns, strict=True)]

    def parse(self, text: str) -> Record:
        """Read what :func:`serialize` wrote, or a text that has no markers: it is then one value.

        Words are put in lower case and ASCII, and otherwise taken as they are. Values come out in the schema's
        order, empty ones are left out.

        :raises InputError: if markers are out of place, or an attribute is unknown or there twice.
        """
        found: dict[str, list[str]] = {}
        for name, words in _split(text):
            attribute = self._default() if name is None else self._attribute(name, text)
            if attribute.name in found:
                raise InputError(
                    f"the attribute '{attribute.name}' is there twice.", file=_shown(text), remedy="Remove one."
                )
            found[attribute.name] = words
        return tuple(
            Value(attribute.name, self._typed(found[attribute.name], attribute))
            for attribute in self.schema.attributes
            if found.get(attribute.name)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`to_table` does not hold, ready for JSON."""
        return {"schema": self.schema.model_dump(mode="json", exclude_none=True), "documents": self.documents}

    def to_table(self) -> pa.Table:
        """Return the counted words and the learnt places: ``text``, ``count`` (of a place 0), ``place`` (bool)."""
        places = self.places.learnt
        return pa.table(
            {
                "text": pa.array([*self.counts, *places], pa.string()),
                "count": pa.array([*self.counts.values(), *[0] * len(places)], pa.int64()),
                "place": pa.array([False] * len(self.counts) + [True] * len(places), pa.bool_()),
            }
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], table: pa.Table) -> Serializer:
        """Read what :meth:`to_dict` and :meth:`to_table` gave.

        :raises ArtifactError: if that is damaged.
        """
        try:
            schema = Schema.model_validate(data["schema"])
            texts, counts, places = (table[name].to_pylist() for name in ("text", "count", "place"))
            rows = list(zip(texts, counts, places, strict=True))
            known = {text: int(count) for text, count, place in rows if not place}
            return cls(schema, known, int(data["documents"]), Places(tuple(text for text, _, place in rows if place)))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(
                f"The words of the Ditto model are damaged: {error}.", remedy="Train it again."
            ) from error

    def _values(self, table: pa.Table, attribute: Attribute) -> list[Value | None] | None:
        """Return each row's value, ``None`` where it says nothing; ``None`` if the table has no such attribute."""
        column = _words(table, attribute)
        if column is None:
            return None
        words, rows = column
        values = [Value(attribute.name, self._typed(list(found), attribute)) if found else None for found in words]
        return [values[row] for row in rows]

    def _typed(self, words: list[str], attribute: Attribute) -> tuple[Word, ...]:
        types = span_types(words, attribute, self.places)
        return tuple(
            _word(word, kind) if len(word) <= _LONGEST_CACHED else Word(word, kind)
            for word, kind in zip(words, types, strict=True)
        )

    def _attribute(self, name: str, text: str) -> Attribute:
        """Return the attribute of a name as :func:`serialize` writes it, or as the schema does."""
        spoken = spoken_name(name)
        for attribute in self.schema.attributes:
            if spoken_name(attribute.name) == spoken:
                return attribute
        names = ", ".join(spoken_name(attribute.name) for attribute in self.schema.attributes)
        raise InputError(
            f"the attribute '{_short(name)}' is unknown. Attributes are: {names}.",
            file=_shown(text),
            remedy="Correct its name.",
        )

    def _default(self) -> Attribute:
        """Return the attribute that a text without markers belongs to: the first name or text, else the first."""
        return (*self.schema.of_kind(Kind.NAME, Kind.TEXT), *self.schema.attributes)[0]


def serialize(record: Record) -> str:
    """Return a record as Ditto writes it; markers are upper-case, all else is lower-case; "" if it says nothing."""
    return " ".join(
        f"{COLUMN} {name} {VALUE} {words}" if name else f"{COLUMN} {VALUE} {words}"
        for name, words in (
            (spoken_name(value.attribute), " ".join(word.text for word in value.words)) for value in record
        )
    )


@lru_cache(10_000)
def spoken_name(attribute: str) -> str:
    """Return an attribute's name in lower-case ASCII words: ``company_name`` is ``company name``."""
    return normalize_words(attribute)


@lru_cache(_WORDS_CACHED)
def _word(text: str, span_type: SpanType) -> Word:
    return Word(text, span_type)


_Words = tuple[list[tuple[str, ...]], list[int]]
"""The distinct values of a column as words, and which of them each row has."""


def _words(table: pa.Table, attribute: Attribute) -> _Words | None:
    if part(attribute.name, "raw") not in table.column_names:
        return None
    encoded = _texts(table, attribute).dictionary_encode()
    return [tuple(text.split()) for text in encoded.dictionary.to_pylist()], encoded.indices.to_pylist()


def _texts(table: pa.Table, attribute: Attribute) -> pa.Array:
    """Return what each record says under an attribute, in lower-case ASCII words; "" for nothing."""

    def column(name: str) -> pa.Array:
        found = table[part(attribute.name, name)]
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found

    kind = attribute.kind
    if kind in (Kind.NAME, Kind.TEXT):
        return column("text")
    if kind is Kind.IDENTIFIER:
        texts = pc.if_else(column("invalid"), column("raw").cast(pa.large_string()), column("value"))
        return _mapped(texts, _identifier)
    if kind is Kind.CATEGORY:
        return _mapped(column("value"), _country if attribute.type == "country" else str.lower)
    values = _mapped(column("value"), _number if kind is Kind.NUMBER else str)
    return pc.coalesce(values, _mapped(pc.if_else(values.is_null(), column("raw"), ""), _unread))


def _mapped(column: pa.Array, function: Callable[[Any], str]) -> pa.Array:
    """Apply a function to each distinct value; nulls stay null."""
    encoded = column.dictionary_encode()
    texts = [function(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.large_string()).take(encoded.indices)


def _unread(raw: str) -> str:
    """Return the words of what is no number or date though one was expected; "" for what means nothing."""
    return "" if raw.lower() in MISSING else normalize_text(raw)


def _identifier(value: str) -> str:
    folded = to_ascii(value)
    return folded if folded.strip() else normalize_words(value)


def _country(value: str) -> str:
    return country_names().get(value, value.lower())


def _number(value: float) -> str:
    """Return a number's shortest text; one that a column of single precision held is written as it was there."""
    if value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    single = np.float32(value)
    return str(single) if float(single) == value else repr(value)


def _count_one(counts: Counter[str], words: Sequence[tuple[str, ...]], rows: Sequence[int]) -> None:
    """Count the words of a table of one attribute, each distinct value once."""
    for row, times in Counter(rows).items():
        for word in set(words[row]):
            counts[word] += times


def _places(references: pa.Table, schema: Schema) -> Places:
    """Learn places from the columns that hold them, as they were written and as they are serialised."""
    found: list[str] = []
    for attribute in schema.of_kind(Kind.CATEGORY):
        if attribute.type in ("country", "place") and part(attribute.name, "raw") in references.column_names:
            found += _texts(references, attribute).to_pylist()
            raw = references[part(attribute.name, "raw")].combine_chunks()
            found += _mapped(raw, normalize_words).to_pylist()
    places = Places.fit(found, PLACE_LIMIT)
    if len(places.learnt) == PLACE_LIMIT:
        logger.info("The %d most frequent places of the reference are recognised inside names", PLACE_LIMIT)
    return places


def _split(text: str) -> Iterator[tuple[str | None, list[str]]]:
    """Yield each value of a serialised text as its attribute's name, ``None`` without markers, and its words.

    :raises InputError: if markers are out of place.
    """
    words = text.split()
    starts = [place for place, word in enumerate(words) if word == COLUMN]
    before = words[: starts[0]] if starts else words
    if VALUE in before or (before and starts):
        what = f"'{VALUE}' stands" if VALUE in before else "words stand"
        raise InputError(f"{what} before the first '{COLUMN}'.", file=_shown(text), remedy=_EXAMPLE)
    if not starts:
        yield None, _folded(words)
    for start, end in pairwise([*starts, len(words)]):
        piece = words[start + 1 : end]
        if piece.count(VALUE) != 1:
            raise InputError(
                f"expected one '{VALUE}' after '{COLUMN}', found {piece.count(VALUE)} in '{_short(' '.join(piece))}'.",
                file=_shown(text),
                remedy=_EXAMPLE,
            )
        place = piece.index(VALUE)
        yield " ".join(piece[:place]), _folded(piece[place + 1 :])


def _folded(words: list[str]) -> list[str]:
    text = " ".join(words)
    return (text if text.isascii() else to_ascii(text)).lower().split()


_EXAMPLE = f"Write it as '{COLUMN} name {VALUE} words {COLUMN} ...', or give the words alone."
_SHOWN = 40


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _shown(text: str) -> str:
    return f"'{_short(' '.join(text[: _SHOWN * 4].split()))}'"
