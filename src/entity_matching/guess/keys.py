"""The key column of a table."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.guess.concepts import KEY_WORDS, Called
from entity_matching.guess.values import is_identifier, sample
from entity_matching.normalize.strings import to_strings
from entity_matching.schema import IDENTIFIER_TYPES, Kind

_SURE = frozenset(("id", "key", "uuid", "guid", "pk", "identifier", "uid"))
_NEARLY = 0.9
"""Share of different values from which a column named like a key is one with errors in it."""


def guess_key(table: pa.Table, columns: Sequence[Called]) -> str | None:
    """Guess the key of a table: complete, unique, and named like a key.

    A column named like a key that is nearly unique is returned too, so that the check of the key can
    name the rows at fault. A table of one column has none.

    :return: the column, or ``None``: the row number is the key.
    """
    if len(columns) < 2:
        return None
    ranked = sorted((rank, place) for place, called in enumerate(columns) if (rank := _rank(called, table)) is not None)
    nearly = None
    for rank, place in ranked:
        column = columns[place].column
        share = _different(table.column(column))
        if share == 1.0:
            return column
        if nearly is None and rank <= 1 and share >= _NEARLY:
            nearly = column
    return nearly


def _rank(called: Called, table: pa.Table) -> int | None:
    """Return how much a column's name looks like a key's (0 is most), ``None`` if it does not."""
    concept = called.concept
    if called.glued in _SURE:
        return 0
    if concept is not None and concept.kind is Kind.IDENTIFIER and called.exact:
        valid = is_identifier(concept.type or "own")
        strong = IDENTIFIER_TYPES[concept.type or "own"] and concept.strong is not False
        return 3 if strong and sample(table.column(called.column)).share(valid) >= _NEARLY else None
    if called.words[-1] in _SURE or called.glued.endswith(("id", "key")) and len(called.words) == 1:
        return 1
    if called.words[-1] in KEY_WORDS and concept is None:
        return 2
    return None


def _different(column: pa.ChunkedArray) -> float:
    """Return the share of rows whose value is there and is the first of its kind."""
    values = to_strings(column)
    filled = values.filter(pc.not_equal(values, ""))
    return float(pc.count_distinct(filled).as_py() / max(1, len(values)))
