"""The columns an origin has: against the schema, and against those it had the last time."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from entity_matching.errors import SchemaError
from entity_matching.jobs.ingest.arrivals import EMPTY_TYPE, Arrival
from entity_matching.jobs.job import Context
from entity_matching.jobs.metrics import Figure
from entity_matching.lakehouse.tables import PIPELINE_METRICS
from entity_matching.schema import Schema, Side

log = logging.getLogger(__name__)

STAGE, METRIC = "quality", "column_type"
"""Under which the types of columns are kept; the label is a JSON list of side, system, column and type."""


@dataclass(frozen=True)
class Before:
    """The columns that each system (``""``: the reference) had when it came last.

    ``types``: of each column its types; several, if the system came as several files that did not agree.
    """

    types: Mapping[tuple[Side, str], Mapping[str, Sequence[str]]]

    def of(self, side: Side, system: str = "") -> Mapping[str, Sequence[str]]:
        """Return the columns of one system and their types; none if it never came."""
        return self.types.get((side, system), {})

    def columns(self, side: Side) -> list[str]:
        """Return the columns of all systems of a side; none if none ever came."""
        known = [types for (where, _), types in self.types.items() if where is side]
        return list(dict.fromkeys(name for types in known for name in types))


def columns_before(context: Context) -> Before:
    """Return the columns that earlier runs found."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    rows = context.lake.read(PIPELINE_METRICS).where(
        (F.col("stage") == STAGE) & (F.col("metric") == METRIC) & (F.col("run_id") != context.run_id)
    )
    # a label is kept once, with the time it was last seen: many runs make few rows
    seen = rows.groupBy("label").agg(F.max(F.struct("measured_at", "run_id")).alias("at")).collect()
    parsed = [(*json.loads(row["label"]), tuple(row["at"])) for row in seen]
    last: dict[tuple[Side, str], tuple[object, ...]] = {}
    for side, system, _, _, at in sorted(parsed, key=lambda row: row[-1]):
        last[Side(side), system] = at
    types: dict[tuple[Side, str], dict[str, list[str]]] = {}
    for side, system, column, type_, at in parsed:
        if last[Side(side), system] == at:
            types.setdefault((Side(side), system), {}).setdefault(column, []).append(type_)
    return Before(types)


def type_figures(side: Side, arrivals: Iterable[Arrival]) -> list[Figure]:
    """Return the figures that the next run learns the columns from."""
    return [
        (METRIC, json.dumps([str(side), arrival.origin.system, name, type_], ensure_ascii=False), 1.0)
        for arrival in arrivals
        for name, type_ in arrival.types.items()
    ]


def check_columns(
    arrival: Arrival, schema: Schema, side: Side, before: Before, other: Sequence[str], *, may_lack: bool = False
) -> None:
    """Check that an origin has the columns that the schema reads.

    :param other: the columns of the other side; none if they are not known.
    :param may_lack: whether a column that its system had the last time may be gone.
    :raises SchemaError: naming the column that is not there, and those that are.
    """
    from_other = Side.REFERENCE if side is Side.SOURCE else Side.SOURCE
    there = other or [attribute.column_on(from_other) for attribute in schema.attributes]
    schema.check_columns(arrival.columns, there, side=side, table=arrival.origin.name)
    searched = [attribute.column_on(side) for attribute in schema.attributes if attribute.is_searched]
    if searched and not set(searched) & set(arrival.columns):
        raise _lacks(arrival, searched[0], "which the schema reads", f"Add it, or name the column that holds it with "
                     f"'{side}_column' in the schema.")  # fmt: skip
    had = before.of(side, arrival.origin.system)
    read = read_columns(schema, side)
    gone = [name for name in had if name in read and name not in arrival.columns]
    if gone and not may_lack:
        remedy = "Have it put back, or take the records without it with --allow-missing true."
        raise _lacks(arrival, gone[0], "which it had the last time and the schema reads", remedy)


def compare_columns(arrival: Arrival, side: Side, before: Before) -> list[str]:
    """Say, and log, which columns changed since the last time: their type, or that they are new."""
    had = before.of(side, arrival.origin.system)
    notes = []
    for name, type_ in arrival.types.items() if had else ():
        was = had.get(name)
        if was is None:
            notes.append(f"{arrival.origin.name}: the column '{name}' is new; it is kept, and changes no decision.")
        elif type_ not in was and EMPTY_TYPE not in (*was, type_):
            types = " or ".join(sorted(was))
            notes.append(f"{arrival.origin.name}: the column '{name}' was {types} the last time and is {type_} now.")
    for note in notes:
        log.warning("%s", note)
    return notes


def read_columns(schema: Schema, side: Side) -> tuple[str, ...]:
    """Return the columns of a side that the schema reads, but for its key."""
    return tuple(dict.fromkeys(attribute.column_on(side) for attribute in schema.attributes))


def _lacks(arrival: Arrival, column: str, what: str, remedy: str) -> SchemaError:
    return SchemaError(
        f"{arrival.origin.name} has no column '{column}', {what}. Its columns are: {', '.join(arrival.columns)}.",
        remedy=remedy,
    )
