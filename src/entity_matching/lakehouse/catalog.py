"""The catalog: its tables found, named and read."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from entity_matching.errors import OptionalDependencyError
from entity_matching.lakehouse import upgrade
from entity_matching.lakehouse.failures import explained, opening, unreadable
from entity_matching.lakehouse.layout import VERSION_PROPERTY, Table, View
from entity_matching.lakehouse.names import literal, quoted
from entity_matching.lakehouse.settings import DATABRICKS, LOCAL, LakehouseSettings
from entity_matching.lakehouse.staging import LARGEST_MESSAGE, Staging
from entity_matching.lakehouse.tables import SCHEMAS, TABLES, VIEWS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Lakehouse:
    """A session and the catalog it works in.

    ``warehouse``: folder of the tables of the target ``local``. ``staging``: where large tables wait to be read.
    """

    spark: SparkSession
    settings: LakehouseSettings
    warehouse: Path
    staging: Staging = field(repr=False)

    @classmethod
    def open(
        cls, spark: SparkSession, settings: LakehouseSettings, warehouse: Path, staging: Staging | None = None
    ) -> Lakehouse:
        """Return the lakehouse; on one machine its tables on disk are made known to the session."""
        lake = cls(spark, settings, warehouse, staging or Staging(settings.artifacts / "staging"))
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
        """Run a statement; ``{name}`` in it stands for the frame given by that name.

        A query runs when its result is asked for, so the frames stay known to the session.
        """
        return self._sql(statement, self._views(frames))

    def execute(self, statement: str, **frames: DataFrame) -> None:
        """Run a command as :meth:`sql` does, and forget the frames.

        :raises EntityMatchingError: if Spark cannot do it.
        """
        views = self._views(frames)
        try:
            with explained(self.settings):
                self._sql(statement, views)
        finally:
            for view in views.values():
                with suppress(Exception):  # it ends with the session anyway
                    self.spark.catalog.dropTempView(view)

    def frame(self, table: pa.Table) -> DataFrame:
        """Return an Arrow table as a frame; a large one goes through a file, which lasts as long as the session."""
        if not table.num_rows:  # which Spark's client cannot infer the columns of
            nothing = {field.name: pa.nulls(1, field.type) for field in table.schema}
            return self.spark.createDataFrame(pa.table(nothing)).limit(0)
        if table.nbytes <= LARGEST_MESSAGE:
            return self.spark.createDataFrame(table)
        with explained(self.settings):
            return self.spark.read.parquet(self.staging.put(table))

    def exists(self, table: Table) -> bool:
        """Say whether the table is there."""
        return bool(self.spark.catalog.tableExists(self.name(table)))

    def create(self) -> list[str]:
        """Make what is not there yet, mend what is half made, and bring forward what is older.

        Done twice, it does nothing the second time.

        :return: the tables that were made, as ``schema.table``.
        :raises EntityMatchingError: if a table was made by a newer version; then nothing is changed.
        """
        with explained(self.settings):
            made = upgrade.create_tables(self)
            self._create_views()
        return made

    def check(self) -> None:
        """Check that the catalog has been set up, by this version.

        :raises EntityMatchingError: if a table is missing, half made, older or newer.
        """
        with explained(self.settings):
            upgrade.check_tables(self)

    def version(self, table: Table) -> int:
        """Return the version of the layout that a table was made by, or brought forward to."""
        return int(self.properties(table).get(VERSION_PROPERTY, "1"))

    def properties(self, table: Table) -> dict[str, str]:
        """Return the properties of a table."""
        if self.is_local:
            return dict(self.delta(table).metadata().configuration)
        rows = self.spark.sql(f"SHOW TBLPROPERTIES {self.name(table)}").collect()
        return {row["key"]: row["value"] for row in rows}

    def state(self, table: Table) -> str | None:
        """Return what is another text after each commit to a table, and of a table that was made anew.

        :returns: the table's own id and the number of its last commit; ``None`` where that is not to be had: from a
            Spark server without Delta Lake.
        """
        if self.is_local:
            delta = self.delta(table)
            return f"{delta.metadata().id}-{delta.version()}"
        if self.settings.target != DATABRICKS:
            return None
        detail, last = (
            self.spark.sql(f"DESCRIBE {what} {self.name(table)}{end}").collect()[0]
            for what, end in (("DETAIL", ""), ("HISTORY", " LIMIT 1"))
        )
        return f"{detail['id']}-{last['version']}"

    def location(self, table: Table) -> str:
        """Return the folder of a local table."""
        return str(self.warehouse / table.schema / table.name)

    def on_disk(self, table: Table) -> bool:
        """Say whether a local table is there: a folder that no commit was written to is none."""
        log = Path(self.location(table)) / "_delta_log"
        return any(log.glob("*.json")) or any(log.glob("*.checkpoint.parquet"))

    def delta(self, table: Table) -> Any:
        """Return a local table as the package ``deltalake`` sees it, which can do what Sail cannot.

        :raises EntityMatchingError: if its log is damaged.
        """
        try:
            import deltalake  # noqa: PLC0415 - optional, and only on one machine
        except ImportError as error:
            raise OptionalDependencyError("deltalake", extra="local", needed_for="tables on this machine") from error
        last = max((Path(self.location(table)) / "_delta_log").glob("*.json"), default=None)
        if last is not None and not last.stat().st_size:  # which would be taken for a write of nothing
            raise unreadable(table.full_name, self._shown(table), f"the entry {last.name} of its log is empty")
        with opening(table.full_name, self._shown(table)):
            return deltalake.DeltaTable(self.location(table))

    def _shown(self, table: Table) -> Path:
        """Return the folder of a local table as the user knows it."""
        return self.settings.warehouse / table.schema / table.name

    def _views(self, frames: dict[str, DataFrame]) -> dict[str, str]:
        """Give each frame a name of its own: a query that has not run yet must not see a later frame."""
        views = {name: f"__{name}_{uuid.uuid4().hex}" for name in frames}
        for name, frame in frames.items():
            frame.createOrReplaceTempView(views[name])
        return views

    def _sql(self, statement: str, views: dict[str, str]) -> DataFrame:
        return self.spark.sql(_PLACEHOLDER.sub(lambda found: views.get(found[1], found[0]), statement))

    def _register(self) -> None:
        """Make tables on disk known to Sail, whose catalog begins empty."""
        for schema in SCHEMAS:
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.settings.catalog, schema)}")
        found = [table for table in TABLES if self.on_disk(table)]
        for table in found:
            # A hint for readers in a hurry. Sail takes it for the truth, and then finds no version before it.
            with suppress(OSError):
                (Path(self.location(table)) / "_delta_log" / "_last_checkpoint").unlink()
            where = literal(self.location(table))
            self.spark.sql(f"CREATE TABLE IF NOT EXISTS {self.name(table)} USING DELTA LOCATION {where}")
        if len(found) == len(TABLES):
            try:
                self._create_views()
            except Exception:
                for table in found:
                    with opening(table.full_name, self._shown(table)):
                        self.read(table).schema  # noqa: B018 - reads the log: the error of the view names no table
                raise

    def _create_views(self) -> None:
        for view in VIEWS:
            body = self._within(view.sql)
            self.spark.sql(f"CREATE OR REPLACE VIEW {self.name(view)} AS {body}")

    def _within(self, sql: str) -> str:
        """Return a view's text with the catalog before each table, except on Sail, which loses its quotes."""
        if self.is_local:
            return sql
        for table in TABLES:
            sql = re.sub(rf"\b{re.escape(table.full_name)}\b", lambda _, table=table: self.name(table), sql)  # type: ignore[misc]
        return sql
