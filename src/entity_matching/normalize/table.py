"""A table of records to the normalised table of :mod:`entity_matching.records`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from entity_matching.errors import SchemaError
from entity_matching.normalize.categories import normalize_category, normalize_country
from entity_matching.normalize.dates import parse_date
from entity_matching.normalize.identifiers import normalize_identifier
from entity_matching.normalize.names import normalize_name
from entity_matching.normalize.numbers import parse_number
from entity_matching.normalize.strings import STRING_BYTES, to_strings
from entity_matching.normalize.text import normalize_text
from entity_matching.records import KEY, part
from entity_matching.schema import Attribute, Kind, Schema, Side


def normalize_table(table: pa.Table, schema: Schema, side: Side) -> pa.Table:
    """Return the normalised table: one row per record, in the order given.

    An attribute whose column this table does not have is left out. Each distinct value is computed once.

    :param table: the records, columns of any Arrow type.
    :param schema: says which columns hold which attributes, and the key; without a key the row number
        (from 0) is the key.
    :param side: which of the two tables this is.
    :return: the columns that :mod:`entity_matching.records` lists; the first is ``__key``.
    :raises SchemaError: if the key column, or a column the schema names, is missing or there twice.
    """
    columns: dict[str, pa.Array] = {KEY: _keys(table, schema, side)}
    for attribute in schema.attributes:
        column = _column(table, attribute.column_on(side), side)
        if column is not None:
            columns.update(_PARTS[attribute.kind](column, attribute, _Context(table, schema, side)))
    return pa.table(columns)


class _Context:
    """Where an attribute looks for the others it depends on."""

    def __init__(self, table: pa.Table, schema: Schema, side: Side) -> None:
        self.table, self.schema, self.side = table, schema, side

    def countries(self, attribute: Attribute) -> list[str] | str:
        """Return the country code of each row, or the one code that holds for all ("" for unknown)."""
        country = attribute.country
        if not country:
            return ""
        for other in self.schema.attributes:
            if other.name == country:
                column = _column(self.table, other.column_on(self.side), self.side)
                if column is None:
                    return ""
                distinct, indices = _distinct(to_strings(column))
                codes = [normalize_country(value) for value in distinct]
                return [codes[index] for index in indices.to_pylist()]
        return normalize_country(country)


def _column(table: pa.Table, name: str, side: Side) -> pa.ChunkedArray | None:
    found = table.schema.get_all_field_indices(name)
    if len(found) > 1:
        raise SchemaError(f"The {side} table has {len(found)} columns named '{name}'.", remedy="Rename all but one.")
    return table.column(found[0]) if found else None


def _keys(table: pa.Table, schema: Schema, side: Side) -> pa.Array:
    name = schema.key.on(side)
    if name is None:
        return pa.array([str(row) for row in range(table.num_rows)], pa.string())
    column = _column(table, name, side)
    if column is None:
        raise SchemaError(
            f"The {side} table has no key column '{name}'. Its columns are: {', '.join(table.column_names)}.",
            remedy="Correct 'key' in the schema.",
        )
    return _string(to_strings(column))


def _string(array: pa.Array) -> pa.Array:
    """Return plain strings, or large ones where the text does not fit them."""
    return array if pt.is_string(array.type) or array.nbytes > STRING_BYTES else array.cast(pa.string())


def _distinct(strings: pa.Array) -> tuple[list[str], pa.Array]:
    encoded = strings.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices


def _spread(values: Sequence[Any], kind: pa.DataType, indices: pa.Array) -> pa.Array:
    return pa.array(values, kind).take(indices)


def _name(column: pa.ChunkedArray, attribute: Attribute, _context: _Context) -> dict[str, pa.Array]:
    raw = to_strings(column)
    distinct, indices = _distinct(raw)
    names = [normalize_name(value) for value in distinct]
    result = {part(attribute.name, "raw"): _string(raw)}
    for place, field in enumerate(("text", "core", "form", "suffix")):
        result[part(attribute.name, field)] = _spread([name[place] for name in names], pa.string(), indices)
    return result


def _identifier(column: pa.ChunkedArray, attribute: Attribute, context: _Context) -> dict[str, pa.Array]:
    raw = to_strings(column)
    kind = attribute.type or "own"
    countries = context.countries(attribute) if kind in ("vat", "registration") else ""
    distinct, indices = _distinct(raw)
    if isinstance(countries, str):
        found = [normalize_identifier(value, kind, countries) for value in distinct]
    else:
        pairs = list(zip(indices.to_pylist(), countries, strict=True))
        places = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
        found = [normalize_identifier(distinct[index], kind, country) for index, country in places]
        indices = pa.array([places[pair] for pair in pairs], pa.int32())
    return {
        part(attribute.name, "raw"): _string(raw),
        part(attribute.name, "value"): _spread([value for value, _ in found], pa.string(), indices),
        part(attribute.name, "invalid"): _spread([invalid for _, invalid in found], pa.bool_(), indices),
    }


def _mapped(
    function: Callable[[str, Attribute], Any], name: str, kind: pa.DataType
) -> Callable[[pa.ChunkedArray, Attribute, _Context], dict[str, pa.Array]]:
    """Return a maker of ``raw`` and one further part, computed value by value."""

    def make(column: pa.ChunkedArray, attribute: Attribute, _context: _Context) -> dict[str, pa.Array]:
        raw = to_strings(column)
        distinct, indices = _distinct(raw)
        values = [function(value, attribute) for value in distinct]
        return {part(attribute.name, "raw"): _string(raw), part(attribute.name, name): _spread(values, kind, indices)}

    return make


def _number(column: pa.ChunkedArray, attribute: Attribute, context: _Context) -> dict[str, pa.Array]:
    kind = column.type
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
        values = column.cast(pa.float64(), safe=False)
        finite = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
        return {part(attribute.name, "raw"): _string(to_strings(column)), part(attribute.name, "value"): finite}
    return _text_number(column, attribute, context)


def _date(column: pa.ChunkedArray, attribute: Attribute, context: _Context) -> dict[str, pa.Array]:
    kind = column.type
    if pt.is_date(kind) or pt.is_timestamp(kind):
        values = pa.array([_day(value) for value in column.to_pylist()], pa.date32())
        return {part(attribute.name, "raw"): _string(to_strings(column)), part(attribute.name, "value"): values}
    return _text_date(column, attribute, context)


def _day(value: datetime.date | None) -> datetime.date | None:
    return value.date() if isinstance(value, datetime.datetime) else value


_text_number = _mapped(lambda value, _: parse_number(value), "value", pa.float64())
_text_date = _mapped(lambda value, _: parse_date(value), "value", pa.date32())
_PARTS: dict[Kind, Callable[[pa.ChunkedArray, Attribute, _Context], dict[str, pa.Array]]] = {
    Kind.NAME: _name,
    Kind.IDENTIFIER: _identifier,
    Kind.CATEGORY: _mapped(lambda value, attribute: normalize_category(value, attribute.type), "value", pa.string()),
    Kind.TEXT: _mapped(lambda value, _: normalize_text(value), "text", pa.string()),
    Kind.NUMBER: _number,
    Kind.DATE: _date,
}
