"""Checks of the two tables before they are matched."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.errors import InputError
from entity_matching.normalize.strings import to_strings
from entity_matching.records import KEY
from entity_matching.schema import Attribute, Kind, Schema, Side

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Given:
    """A table as it was given.

    :param table: the table.
    :param name: its file, for messages.
    """

    table: pa.Table
    name: str


def check_tables(source: Given, reference: Given, schema: Schema) -> Schema:
    """Check two tables against a schema, and the schema against them.

    :return: the schema without the attributes that one of the tables has no value of (each is logged).
    :raises SchemaError: if a table lacks a column that the schema names.
    :raises InputError: if a key is empty or there twice, no attribute is in both tables with values, or the
        tables seem to be swapped.
    """
    _check_order(source, reference, schema)
    sides = ((Side.SOURCE, source, reference), (Side.REFERENCE, reference, source))
    for side, given, other in sides:
        schema.check_columns(given.table.column_names, other.table.column_names, side=side, table=given.name)
    for side, given, _ in sides:
        _check_keys(given, schema.key.on(side), side)
    kept = tuple(attribute for attribute in schema.attributes if _has_values(attribute, sides))
    shared = [
        attribute
        for attribute in kept
        if all(attribute.column_on(side) in given.table.column_names for side, given, _ in sides)
    ]
    if not shared:
        raise InputError(
            f"no attribute has values in both {source.name} and {reference.name}: there is nothing to compare. "
            f"Columns of the source: {', '.join(source.table.column_names)}. "
            f"Columns of the reference: {', '.join(reference.table.column_names)}.",
            remedy="Say in a schema (--schema) which columns hold the same, with source_column and reference_column.",
        )
    return keep(schema, {attribute.name for attribute in kept})


def present(schema: Schema, source: Sequence[str], reference: Sequence[str]) -> Schema:
    """Return the schema without the attributes that neither table has, for a model trained when one of them had it.

    Names and texts stay: without them the model would be asked about other things than it was trained on, which
    :func:`check_tables` then says. Each attribute left out is logged.

    :param source: the columns of the source.
    :param reference: the columns of the reference.
    """
    columns = {Side.SOURCE: source, Side.REFERENCE: reference}
    absent = {
        attribute.name
        for attribute in schema.attributes
        if attribute.kind not in (Kind.NAME, Kind.TEXT)
        and all(attribute.column_on(side) not in columns[side] for side in Side)
    }
    for name in sorted(absent):
        _log.warning("Neither table has the column of '%s', which the model was trained with; it does without.", name)
    return keep(schema, {attribute.name for attribute in schema.attributes} - absent)


def keep(schema: Schema, names: set[str]) -> Schema:
    """Return the schema with the named attributes only, none of which looks to one that is gone."""
    dropped = {attribute.name for attribute in schema.attributes} - names
    if not dropped:
        return schema
    # an identifier that looked to a dropped attribute for its exchange or country does without it
    freed = tuple(
        attribute.model_copy(
            update={
                "exchange": None if attribute.exchange in dropped else attribute.exchange,
                "country": None if attribute.country in dropped else attribute.country,
            }
        )
        for attribute in schema.attributes
        if attribute.name in names
    )
    return schema.model_copy(update={"attributes": freed})


def pick(table: pa.Table, pairs: pa.Table, column: str) -> pa.Table:
    """Return the rows of a normalised table that have the keys of some pairs, one per key.

    :param column: of the pairs, which holds the keys.
    :raises InputError: if the column or a key is not there.
    """
    if column not in pairs.column_names:
        raise InputError(
            f"there is no column '{column}'. Its columns are: {', '.join(pairs.column_names)}.",
            file="the pairs",
            remedy="Give the columns source_key and reference_key.",
        )
    keys = pairs[column]
    at = pc.index_in(keys.cast(pa.string()).combine_chunks(), value_set=table[KEY].combine_chunks())
    missing = pc.index(at.is_null(), True).as_py()
    if missing >= 0:
        raise InputError(
            f"there is no record with the key '{keys[missing].as_py()}'.",
            file="the pairs",
            row=missing + 1,
            column=column,
            remedy="Give keys that the tables have.",
        )
    return table.take(at)


def _check_order(source: Given, reference: Given, schema: Schema) -> None:
    left, right = schema.key.source, schema.key.reference
    if left is None or right is None or left == right:
        return
    here, there = source.table.column_names, reference.table.column_names
    if left not in here and right not in there and left in there and right in here:
        raise InputError(
            f"the key of the source, '{left}', is in {reference.name}, and that of the reference, '{right}', "
            f"is in {source.name}: source and reference seem to be swapped.",
            remedy="Give the source (the messy records) first, then the reference (the master list).",
        )


def _check_keys(given: Given, column: str | None, side: Side) -> None:
    if column is None:
        return
    keys = to_strings(given.table.column(column))
    empty = pc.index(keys, "").as_py()
    if empty >= 0:
        raise InputError(
            "the key is empty.",
            file=given.name,
            row=empty + 1,
            column=column,
            remedy="Fill it, or name another key in the schema (without a key, the row number is the key).",
        )
    counts = keys.value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if not len(repeated):
        return
    value = repeated.field("values")[0].as_py()
    first = pc.index(keys, value).as_py()
    second = first + 1 + pc.index(keys.slice(first + 1), value).as_py()
    raise InputError(
        f"the key '{value}' is there twice, in rows {first + 1:,} and {second + 1:,} "
        f"({len(repeated):,} keys of the {side} are there more than once).",
        file=given.name,
        column=column,
        remedy="Keep one row per key, or name a column in the schema whose values are all different.",
    )


def _has_values(attribute: Attribute, sides: tuple[tuple[Side, Given, Given], ...]) -> bool:
    for side, given, _ in sides:
        column = attribute.column_on(side)
        if column not in given.table.column_names:
            continue
        values = to_strings(given.table.column(column))
        if pc.all(pc.equal(values, "")).as_py():
            _log.warning("%s: column '%s' is empty; the attribute '%s' is ignored.", given.name, column, attribute.name)
            return False
    return True
