"""A schema in readable lines."""

from __future__ import annotations

from collections.abc import Sequence

from entity_matching.schema import Attribute, Schema, Side


def describe_schema(schema: Schema, source: Sequence[str], reference: Sequence[str]) -> list[str]:
    """Say what a schema makes of two tables.

    :param source: the columns of the source.
    :param reference: the columns of the reference.
    :return: lines: the keys, one line per attribute, and the columns that are not used.
    """
    columns = {Side.SOURCE: list(source), Side.REFERENCE: list(reference)}
    lines = [f"key: {' = '.join(_key(schema, side) for side in columns)}"]
    alone: dict[Side, list[str]] = {side: [] for side in columns}
    for attribute in schema.attributes:
        there = [side for side, names in columns.items() if attribute.column_on(side) in names]
        if len(there) == len(columns):
            lines.append(f"{attribute.name}: {_kind(attribute)}{_where(attribute)}")
        elif there:
            alone[there[0]].append(attribute.name)
    for side, names in columns.items():
        if alone[side]:
            lines.append(f"only in the {side}, not compared: {', '.join(alone[side])}")
        used = {attribute.column_on(side) for attribute in schema.attributes} | {schema.key.on(side)}
        rest = [name for name in names if name not in used]
        if rest:
            lines.append(f"not used of the {side}: {', '.join(rest)}")
    return lines


def _key(schema: Schema, side: Side) -> str:
    column = schema.key.on(side)
    return f"{side} '{column}'" if column else f"{side} row number (from 0)"


def _kind(attribute: Attribute) -> str:
    return f"{attribute.kind} ({attribute.type})" if attribute.type else str(attribute.kind)


def _where(attribute: Attribute) -> str:
    named = [attribute.column_on(side) for side in Side]
    if set(named) == {attribute.name}:
        return ""
    return f", source '{named[0]}' = reference '{named[1]}'"
