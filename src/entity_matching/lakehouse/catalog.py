"""The catalog: its tables made, found again, brought forward, read."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.layout import VERSION_PROPERTY, Table, View
from entity_matching.lakehouse.names import literal, quoted
from entity_matching.lakehouse.settings import LOCAL, LakehouseSettings
from entity_matching.lakehouse.tables import SCHEMAS, TABLES, VERSION, VIEWS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lakehouse:
    """A session and the catalog it works in.

    ``warehouse``: folder of the tables of the target ``local``.
    """

    spark: SparkSession
    settings: LakehouseSettings
    warehouse: Path

    @classmethod
    def open(cls, spark: SparkSession, settings: LakehouseSettings, warehouse: Path) -> Lakehouse:
        """Return the lakehouse; on one machine its tables on disk are made known to the session."""
        lake = cls(spark, settings, warehouse)
        if settings.target == LOCAL:
            lake._register()
        return lake

    @property
    def is_local(self) -> bool:
        """Whether the tables are on this machine, in Sail's catalog."""
        return self.settings.target == LOCAL

    def name(self, table: Table | View) -> str:
        """Return the quoted name of three levels."""
        return quoted(self.settings.catalog, table.schema, table.name)

    def read(self, table: Table | View) -> DataFrame:
        """Return a table."""
        return self.spark.table(self.name(table))

    def sql(self, statement: str, **frames: DataFrame) -> DataFrame:
        """Run a statement; ``{name}`` in it stands for the frame given by that name."""
        names = {}
        for name, frame in frames.items():
            frame.createOrReplaceTempView(f"__{name}")
            names[name] = f"__{name}"
        return self.spark.sql(statement.format(**names) if names else statement)

    def frame(self, table: pa.Table) -> DataFrame:
        """Return an Arrow table as a frame."""
        if not table.num_rows:  # which Spark's client cannot infer the columns of
            nothing = {field.name: pa.nulls(1, field.type) for field in table.schema}
            return self.spark.createDataFrame(pa.table(nothing)).limit(0)
        return self.spark.createDataFrame(table)

    def exists(self, table: Table) -> bool:
        """Say whether the table is there."""
        return bool(self.spark.catalog.tableExists(self.name(table)))

    def create(self) -> list[str]:
        """Make what is not there yet, and bring forward what is older; done twice, it does nothing.

        :returns: the tables that were made, as ``schema.table``.
        :raises EntityMatchingError: if a table was made by a newer version.
        """
        made = []
        self._create_catalog()
        for schema, comment in SCHEMAS.items():
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.settings.catalog, schema)}"
                           f" COMMENT {literal(comment)}")  # fmt: skip
        for table in TABLES:
            if self.exists(table):
                self._bring_forward(table)
                continue
            self.spark.sql(table.create_sql(self.settings.catalog, VERSION, self._location(table)))
            for name, condition in table.checks:
                self.spark.sql(f"ALTER TABLE {self.name(table)} ADD CONSTRAINT {quoted(name)} CHECK ({condition})")
            made.append(table.full_name)
        self._create_views()
        return made

    def check(self) -> None:
        """Check that the catalog has been set up, by this version.

        :raises EntityMatchingError: if a table is missing, older or newer.
        """
        for table in TABLES:
            if not self.exists(table):
                raise EntityMatchingError(
                    f"The catalog '{self.settings.catalog}' has no table {table.full_name}.",
                    remedy="Set it up first: entity-matching run setup-unity-catalog",
                )

    def version(self, table: Table) -> int:
        """Return the version of the layout that a table was made by, or brought forward to."""
        properties = self.properties(table)
        return int(properties.get(VERSION_PROPERTY, "1"))

    def properties(self, table: Table) -> dict[str, str]:
        """Return the properties of a table."""
        if self.is_local:
            return dict(self._delta(table).metadata().configuration)
        rows = self.spark.sql(f"SHOW TBLPROPERTIES {self.name(table)}").collect()
        return {row["key"]: row["value"] for row in rows}

    def location(self, table: Table) -> str:
        """Return the folder of a local table."""
        return str(self.warehouse / table.schema / table.name)

    def _location(self, table: Table) -> str | None:
        return self.location(table) if self.is_local else None

    def _delta(self, table: Table) -> Any:
        import deltalake  # noqa: PLC0415 - optional, and only on one machine

        return deltalake.DeltaTable(self.location(table))

    def _create_catalog(self) -> None:
        if not self.is_local:
            self.spark.sql(f"CREATE CATALOG IF NOT EXISTS {quoted(self.settings.catalog)}")

    def _register(self) -> None:
        """Make tables on disk known to Sail, whose catalog begins empty."""
        for schema in SCHEMAS:
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.settings.catalog, schema)}")
        found = [table for table in TABLES if (self.warehouse / table.schema / table.name / "_delta_log").is_dir()]
        for table in found:
            where = literal(self.location(table))
            self.spark.sql(f"CREATE TABLE IF NOT EXISTS {self.name(table)} USING DELTA LOCATION {where}")
        if len(found) == len(TABLES):
            self._create_views()

    def _create_views(self) -> None:
        for view in VIEWS:
            body = self._within(view.sql)
            self.spark.sql(f"CREATE OR REPLACE VIEW {self.name(view)} AS {body}")

    def _within(self, sql: str) -> str:
        """Return a view's text with the catalog before each table, except on Sail, which loses its quotes."""
        if self.is_local:
            return sql
        for table in TABLES:
            sql = sql.replace(table.full_name, self.name(table))
        return sql

    def _bring_forward(self, table: Table) -> None:
        """Add the columns that came after the version a table was made by."""
        version = self.version(table)
        if version > VERSION:
            raise EntityMatchingError(
                f"The table {table.full_name} was written by a newer version (layout {version}; this one knows "
                f"{VERSION}).",
                remedy="Update entity-matching.",
            )
        if version == VERSION:
            return
        new = [column for column in table.columns if column.since > version]
        if new:
            self._add_columns(table, new)
        self.spark.sql(f"ALTER TABLE {self.name(table)} SET TBLPROPERTIES ('{VERSION_PROPERTY}' = '{VERSION}')")

    def _add_columns(self, table: Table, new: list[Any]) -> None:
        if not self.is_local:
            self.spark.sql(f"ALTER TABLE {self.name(table)} ADD COLUMNS ({', '.join(column.sql for column in new)})")
            return
        raise NotImplementedError
