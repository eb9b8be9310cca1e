"""Records as a request writes them: a JSON object, or Ditto's ``COL ... VAL ...`` text.

Attributes go by their names in the schema, or by the name of their column in either table. A record may have further
values; they are not looked at, since a caller has no reason to take its records apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NoReturn

import pyarrow as pa

from entity_matching.ditto.serialize import COLUMN, VALUE, spoken_name
from entity_matching.errors import InputError
from entity_matching.schema import Attribute, Schema, Side

_SHOWN = 40
_REMEDY = (
    f"Give a JSON object of attributes and their values, or a text such as '{COLUMN} name {VALUE} words {COLUMN} ...'."
)


def read_entities(texts: Sequence[str | None], schema: Schema, side: Side, column: str) -> pa.Table:
    """Return records as a table of the given side, with a column of strings for each attribute.

    :param texts: one record each.
    :param column: what the texts are called, for messages.
    :returns: one row per text, in their order; values that are not given are null.
    :raises InputError: naming row (from 1) and column, if a text is no record, or says nothing of any attribute.
    """
    names = _names(schema, side)
    records = [_Reader(schema, names, column, row).read(text) for row, text in enumerate(texts, start=1)]
    columns = dict.fromkeys(attribute.column_on(side) for attribute in schema.attributes)
    return pa.table({name: pa.array([record.get(name) for record in records], pa.string()) for name in columns})


def _names(schema: Schema, side: Side) -> Mapping[str, str]:
    """Return by every name that an attribute goes by, as spoken, its column on the side; earlier rules count more."""
    other = Side.REFERENCE if side is Side.SOURCE else Side.SOURCE

    def called(rule: str, attribute: Attribute) -> str:
        return attribute.name if rule == "name" else attribute.column_on(side if rule == "here" else other)

    found: dict[str, str] = {}
    for rule in ("name", "here", "there"):
        for attribute in schema.attributes:
            name = called(rule, attribute)
            found.setdefault(name, attribute.column_on(side))
            found.setdefault(spoken_name(name), attribute.column_on(side))
    return found


class _Reader:
    """Reads one text."""

    def __init__(self, schema: Schema, names: Mapping[str, str], column: str, row: int) -> None:
        self.schema, self.names, self.column, self.row = schema, names, column, row

    def read(self, text: object) -> dict[str, str]:
        """Return what a text says, by column."""
        if not isinstance(text, str):
            self.refuse(f"expected text, found {'nothing' if _is_nothing(text) else type(text).__name__}")
        stripped = text.strip()
        if not stripped:
            self.refuse("expected a record, found an empty text")
        if stripped.startswith("{"):
            pairs = self._from_json(stripped)
        elif stripped.split(maxsplit=1)[0] == COLUMN:
            pairs = list(self._from_ditto(stripped))
        else:
            self.refuse(f"expected a JSON object or '{COLUMN} ... {VALUE} ...', found '{_short(stripped)}'")
        return self._known(pairs)

    def _known(self, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Keep the attributes of the schema that say something."""
        found: dict[str, str] = {}
        for name, value in pairs:
            column = self.names.get(name) or self.names.get(spoken_name(name))
            if column is None or not value.strip():
                continue
            if found.setdefault(column, value) != value:
                self.refuse(f"'{_short(name)}' is given twice, with different values", "Give it once.")
        if not found:
            names = ", ".join(attribute.name for attribute in self.schema.attributes)
            given = ", ".join(_short(name) for name, _ in pairs[:5]) or "nothing"
            self.refuse(f"the record says nothing of any attribute; it has {given}", f"Attributes are: {names}.")
        for name, value in found.items():
            if not _is_unicode(value):
                self.refuse(f"the value of '{name}' is no valid Unicode text", "Send text encoded as UTF-8.")
        return found

    def _from_json(self, text: str) -> list[tuple[str, str]]:
        try:
            data = json.loads(text, object_pairs_hook=_Pairs, parse_constant=_refuse_constant)
        except ValueError as error:
            self.refuse(f"the JSON object cannot be read: {error}")
        except RecursionError:
            self.refuse("the JSON object is nested too deeply")
        return [(name, self._plain(name, value)) for name, value in data]

    def _plain(self, name: str, value: Any) -> str:
        """Return a JSON value as text."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return repr(value)
        if name in self.names:
            what = "an object" if isinstance(value, _Pairs) else "a list"
            self.refuse(f"the value of '{_short(name)}' is {what}", "Give a text, a number or null.")
        return ""

    def _from_ditto(self, text: str) -> Iterator[tuple[str, str]]:
        words = text.split()
        starts = [place for place, word in enumerate(words) if word == COLUMN]
        for start, end in pairwise([*starts, len(words)]):
            piece = words[start + 1 : end]
            if piece.count(VALUE) != 1:
                shown = _short(" ".join(piece))
                self.refuse(f"expected one '{VALUE}' after '{COLUMN}', found {piece.count(VALUE)} in '{shown}'")
            place = piece.index(VALUE)
            name = " ".join(piece[:place])
            if name not in self.names and spoken_name(name) not in self.names:
                names = ", ".join(attribute.name for attribute in self.schema.attributes)
                self.refuse(f"there is no attribute '{_short(name)}'", f"Attributes are: {names}.")
            yield name, " ".join(piece[place + 1 :])

    def refuse(self, message: str, remedy: str = _REMEDY) -> NoReturn:
        """Raise an error that names the place."""
        raise InputError(f"{message}.", row=self.row, column=self.column, remedy=remedy)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that one that is there twice is seen."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))  # which pandas has for a missing value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(text: str) -> str:
    plain = text.encode("utf-8", "replace").decode()
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."
