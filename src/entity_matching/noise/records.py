"""Synthetic source records: reference records as another system might write them.

With no label at all, these are what the scorer learns from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.noise.brands import branded
from entity_matching.noise.names import noisy_name
from entity_matching.noise.profile import ColumnProfile
from entity_matching.noise.values import another, noisy_number, noisy_text
from entity_matching.normalize.strings import to_strings
from entity_matching.schema import Attribute, Kind, Schema, Side

_LEFT_OUT = {Kind.CATEGORY: 0.05, Kind.NUMBER: 0.2, Kind.DATE: 0.2}
"""Least share of values left out, so that no attribute is relied on alone."""
_STRONG_LEFT_OUT, _WEAK_LEFT_OUT = 0.9, 0.5
"""The same for identifiers. A strong one mostly decides before there is a score: the scorer must do without."""
_INEXACT = 0.2
"""Share of numbers that are changed a little."""


def noisy_records(
    reference: pa.Table,
    rows: NDArray[np.int64],
    schema: Schema,
    profiles: Mapping[str, ColumnProfile],
    rng: np.random.Generator,
) -> pa.Table:
    """Write reference records as source records.

    The first name or text is always there; other values are left out, or differ, as often as the profiles say,
    and at least so often that the scorer learns to do without. Where the reference has web addresses, some records are
    called by their brand.

    :param reference: the reference table as given, not normalised.
    :param rows: the rows to write, shape (n,); a row may come several times, differently each time.
    :param profiles: the source's profile per attribute; one that the source lacks is left out.
    :returns: a table of n rows with the source's column names, all strings; without a key.
    """
    columns: dict[str, pa.Array] = {}
    searched = next((attribute.name for attribute in schema.of_kind(Kind.NAME, Kind.TEXT)), None)
    sites = _sites(reference, rows, schema)
    for attribute, column, given in present_columns(reference, rows, schema, profiles):
        is_called = attribute.name == searched and attribute.kind is Kind.NAME
        values = branded(given, sites, rng) if is_called and sites else given
        profile = profiles[attribute.name]
        missing = 0.0 if attribute.name == searched else max(profile.missing, _least_left_out(attribute))
        pool = [value for value in values if value]
        columns[column] = pa.array(
            [
                _noisy(value, attribute, profile, pool, rng) if value and rng.random() >= missing else None
                for value in values
            ],
            type=pa.string(),
        )
    return pa.table(columns)


def exact_records(
    reference: pa.Table,
    rows: NDArray[np.int64],
    schema: Schema,
    profiles: Mapping[str, ColumnProfile],
    rng: np.random.Generator,
) -> pa.Table:
    """Copy reference records as source records: all of it, the names alone, or in capitals, a third each.

    The parameters and the table returned are those of :func:`noisy_records`.
    """
    ways = rng.integers(3, size=len(rows)).tolist()
    columns: dict[str, pa.Array] = {}
    for attribute, column, values in present_columns(reference, rows, schema, profiles):
        is_text = attribute.kind in (Kind.NAME, Kind.TEXT)
        copies = [_copy(value, way, is_text=is_text) for value, way in zip(values, ways, strict=True)]
        columns[column] = pa.array(copies, type=pa.string())
    return pa.table(columns)


def present_columns(
    reference: pa.Table, rows: NDArray[np.int64], schema: Schema, profiles: Mapping[str, ColumnProfile]
) -> list[tuple[Attribute, str, list[str]]]:
    """Return each attribute that both tables have, the source's column, and the values of the rows ("": none).

    Where two attributes are read from one column of the source, the first one writes it.
    """
    found: dict[str, tuple[Attribute, str, list[str]]] = {}
    chosen = pa.array(rows)
    for attribute in schema.attributes:
        column, target = attribute.column_on(Side.REFERENCE), attribute.column_on(Side.SOURCE)
        if column in reference.column_names and profiles[attribute.name].missing < 1 and target not in found:
            found[target] = (attribute, target, to_strings(reference[column].take(chosen)).to_pylist())
    return list(found.values())


def _sites(reference: pa.Table, rows: NDArray[np.int64], schema: Schema) -> list[str]:
    """Return the rows' web addresses ("": none); nothing where the reference has none."""
    for attribute in schema.of_kind(Kind.IDENTIFIER):
        column = attribute.column_on(Side.REFERENCE)
        if attribute.type == "website" and column in reference.column_names:
            return list(to_strings(reference[column].take(pa.array(rows))).to_pylist())
    return []


def _copy(value: str, way: int, *, is_text: bool) -> str | None:
    if not value or (way == 1 and not is_text):
        return None
    return value.upper() if way == 2 and is_text else value


def _least_left_out(attribute: Attribute) -> float:
    if attribute.kind is Kind.IDENTIFIER:
        return _STRONG_LEFT_OUT if attribute.is_strong else _WEAK_LEFT_OUT
    return _LEFT_OUT.get(attribute.kind, 0.0)


def _noisy(
    value: str, attribute: Attribute, profile: ColumnProfile, pool: Sequence[str], rng: np.random.Generator
) -> str:
    if attribute.kind is Kind.NAME:
        return noisy_name(value, profile, rng)
    if attribute.kind is Kind.TEXT:
        return noisy_text(value, pool, profile, rng)
    if rng.random() < profile.changed:
        return another(value, pool, rng)
    if attribute.kind is Kind.NUMBER and rng.random() < _INEXACT:
        return noisy_number(value, rng)
    return value
