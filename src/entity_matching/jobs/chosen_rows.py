"""The rows that an ad-hoc run is to match: of any table or file, those that meet a condition."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.types as pt

from entity_matching.errors import InputError, SettingsError
from entity_matching.jobs.destinations import register, table_levels
from entity_matching.jobs.ingest.arrivals import Arrival, arrive
from entity_matching.jobs.ingest.origins import find_origins
from entity_matching.lakehouse import Lakehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)

ROW = "__row"
"""Column that keeps the order of a file's rows."""


@dataclass(frozen=True)
class ChosenRows:
    """Rows of a table or file.

    ``name``: what the user called it. ``names``: its columns. ``ordered``: whether :data:`ROW` stands behind them.
    """

    name: str
    frame: DataFrame
    names: tuple[str, ...]
    ordered: bool

    @classmethod
    def of(cls, lake: Lakehouse, arrival: Arrival) -> ChosenRows:
        """Return all rows of what was opened; those of a file keep their order."""
        name = arrival.origin.name
        if arrival.frame is not None:
            return cls(name, arrival.frame, arrival.columns, ordered=False)
        assert arrival.table is not None
        rows = pa.array(range(arrival.table.num_rows), pa.int64())
        return cls(name, lake.frame(_plain(arrival.table).append_column(ROW, rows)), arrival.columns, ordered=True)

    @property
    def handed_on(self) -> tuple[str, ...]:
        """Names of the columns by number, since a column's own name may have a meaning in SQL, or be taken."""
        return (*(f"__column_{number}" for number in range(len(self.names))), *((ROW,) if self.ordered else ()))

    @property
    def columns(self) -> dict[str, str]:
        """The columns, each with the one in which it is handed on."""
        return dict(zip(self.names, self.handed_on, strict=False))

    @property
    def numbered(self) -> DataFrame:
        """The rows with the columns of :attr:`handed_on`."""
        return self.frame.toDF(*self.handed_on)

    @property
    def is_bronze(self) -> bool:
        """Whether the records' columns are in a map, as those of ``bronze.source_entities`` are."""
        types = dict(self.frame.dtypes)
        return "source_system" in types and types.get("attributes") == "map<string,string>"

    def filtered(self, condition: str) -> ChosenRows:
        """Return the rows that meet a condition.

        :raises SettingsError: if it is no condition on this table.
        """
        try:
            frame = self.frame.filter(condition)
            kept = frame.count()
        except Exception as error:  # Spark raises many kinds
            raise SettingsError(
                f"--filter: '{condition}' is no condition on {self.name}: {str(error).splitlines()[0]}.",
                remedy=f"Give a condition in SQL; the columns are: {', '.join(self.names)}.",
            ) from error
        if not kept:
            log.warning("No row of %s meets the condition '%s'.", self.name, condition)
        return replace(self, frame=frame)

    def check_key(self, key: str) -> None:
        """Check that a column has a value in each row, and that all differ.

        :raises InputError: if they do not, or there is no such column.
        """
        if key not in self.names:
            raise InputError(
                f"there is no column '{key}', which --source-key names. Its columns are: {', '.join(self.names)}.",
                file=self.name,
                remedy="Correct --source-key, or leave it out.",
            )
        keys = self.numbered.selectExpr(f"coalesce(trim(CAST({self.columns[key]} AS STRING)), '') AS k")
        wrong = keys.groupBy("k").count().where("count > 1 OR k = ''").orderBy("k").limit(1).collect()
        if wrong:
            value, count = wrong[0]
            raise InputError(
                f"the key '{value}' is there {count:,} times." if value else f"the key is empty in {count:,} rows.",
                file=self.name,
                column=key,
                remedy="Keep one row per key, or name a column whose values all differ with --source-key.",
            )


def open_source(lake: Lakehouse, name: str) -> Arrival:
    """Open the table or file to match.

    :raises InputError: if it is not there, or several are named.
    """
    levels = table_levels(lake, name)
    if levels is not None:
        register(lake, levels)
    origins = find_origins(lake, name)
    if len(origins) != 1:
        raise InputError(f"expected one table, found {len(origins)}.", file=name, remedy="Name one table or file.")
    return arrive(lake, origins[0])


def _plain(table: pa.Table) -> pa.Table:
    """Return a table with text in place of types that Spark does not have."""
    for number, field in enumerate(table.schema):
        if pt.is_null(field.type) or pt.is_time(field.type):
            table = table.set_column(number, field.name, table.column(number).cast(pa.string()))
    return table
