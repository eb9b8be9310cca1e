"""Records on their way to the workers: which columns they have, and how they are spread."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from entity_matching.jobs.workers import Batches, Work
from entity_matching.lakehouse import Lakehouse
from entity_matching.schema import Kind, Schema, Side

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

log = logging.getLogger(__name__)

_SYSTEM = "source_system"
ELSEWHERE = 32
"""Parts that records are spread over by default where there is more than one machine."""


def partitions_of(lake: Lakehouse, asked: int | None) -> int:
    """Return over how many parts records are spread; on one machine a part uses all of it."""
    return asked or (1 if lake.is_local else ELSEWHERE)


def read_columns(schema: Schema) -> dict[str, str]:
    """Return the columns of the source that the schema reads, each with that in which :func:`from_map` puts it.

    They are numbered, since a column of the records may be named as one of the table.
    """
    names = sorted({attribute.column_on(Side.SOURCE) for attribute in schema.attributes})
    return {name: f"__attribute_{number}" for number, name in enumerate(names)}


def present_columns(rows: DataFrame, schema: Schema) -> dict[str, tuple[str, ...]]:
    """Return which of the columns that the schema reads each system has: those that some record fills.

    :param rows: all of ``bronze.source_entities``, so that it does not hang on what a run looks at.
    """
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    columns = read_columns(schema)
    filled = [
        F.max(F.col("attributes")[F.lit(name)].isNotNull().cast("int")).alias(place) for name, place in columns.items()
    ]
    found = {}
    for row in rows.groupBy(_SYSTEM).agg(*filled).collect():
        found[row[_SYSTEM]] = tuple(name for name, place in columns.items() if row[place])
        _note_missing(schema, row[_SYSTEM], found[row[_SYSTEM]])
    return found


def _note_missing(schema: Schema, system: str, columns: Sequence[str]) -> None:
    for attribute in schema.of_kind(Kind.NAME, Kind.TEXT):
        column = attribute.column_on(Side.SOURCE)
        if column not in columns:
            log.warning("The records of '%s' have no '%s', which the model reads; they do without.", system, column)


def from_map(columns: Mapping[str, str]) -> list[Column]:
    """Return the columns of the records, taken out of the map of all; see :func:`read_columns`."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    return [F.col("attributes")[F.lit(name)].alias(place) for name, place in columns.items()]


def work_on(
    rows: DataFrame, function: Callable[[Work, Batches], Batches], work: Work, like: DataFrame, partitions: int
) -> DataFrame:
    """Have workers do a function over records.

    :param like: a frame whose columns have the types of what the function adds, in this order.
    :param partitions: parts that the records are spread over.
    :returns: the columns that are handed on, and those that are added.
    """
    from pyspark.sql.types import StructField, StructType  # noqa: PLC0415 - optional

    chosen = [field for field in rows.schema.fields if field.name in work.handed_on]
    chosen += [StructField(name, field.dataType) for name, field in zip(work.added, like.schema.fields, strict=True)]
    types = StructType([StructField(field.name, field.dataType) for field in chosen])
    spread = rows if partitions == 1 else rows.repartition(partitions)
    return spread.mapInArrow(functools.partial(function, work), types)
