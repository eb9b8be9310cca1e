"""What a batch of staged rows means for a bronze table: which rows are taken, what changes, and what goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from entity_matching.jobs.ingest.rows import KEY, SYSTEM
from entity_matching.jobs.job import Context
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.names import quoted
from entity_matching.lakehouse.tables import QUARANTINE, REFERENCE_ENTITIES, SOURCE_ENTITIES
from entity_matching.lakehouse.writes import merge
from entity_matching.schema import Side

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

NEW, CHANGED, UPDATED, UNCHANGED = "new", "changed", "updated", "unchanged"
DUPLICATE, CONTRADICTION, NO_KEY = "duplicate", "contradiction", "no_key"
"""What becomes of a row. Updated: only columns that matching does not read are different."""
_WRITTEN = (NEW, CHANGED, UPDATED)
_REJECTED = (CONTRADICTION, NO_KEY)


@dataclass(frozen=True)
class Target:
    """A bronze table that rows go to. ``keys``: its key columns, and the staged columns they are from."""

    table: Table
    side: Side
    keys: Mapping[str, str]
    stamp: str


TARGETS = {
    Side.SOURCE: Target(SOURCE_ENTITIES, Side.SOURCE, {"source_system": SYSTEM, "source_id": KEY}, "ingested_at"),
    Side.REFERENCE: Target(REFERENCE_ENTITIES, Side.REFERENCE, {"entity_id": KEY}, "loaded_at"),
}


@dataclass(frozen=True)
class Lost:
    """How many stored rows of a system would go, and how many there are."""

    system: str
    stored: int
    lost: int

    @property
    def share(self) -> float:
        """Share of the stored rows that would go, 0 to 1."""
        return self.lost / self.stored if self.stored else 0.0


@dataclass(frozen=True)
class Batch:
    """Staged rows of one side, beside what is stored.

    ``staged``: columns of :data:`.rows.STAGED`. ``complete``: systems (``""``: the reference) of which a stored row
    that did not come is deleted. ``key_name``: what the key is called, for reasons.
    """

    lake: Lakehouse
    target: Target
    staged: DataFrame
    complete: Sequence[str] = ()
    key_name: str = "row number"

    @cached_property
    def counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """Number of rows by origin and system, and by what becomes of them."""
        counts: dict[tuple[str, str], dict[str, int]] = {}
        for row in self.verdicts.groupBy("origin", SYSTEM, "verdict").count().collect():
            counts.setdefault((row["origin"], row[SYSTEM]), {})[row["verdict"]] = row["count"]
        return counts

    def count(self, *verdicts: str) -> int:
        """Return the number of rows of which one of these became; without a verdict of all rows."""
        wanted = self.counts.values()
        return sum(number for by in wanted for verdict, number in by.items() if not verdicts or verdict in verdicts)

    @cached_property
    def verdicts(self) -> DataFrame:
        """The staged rows, each with its ``verdict``, and ``versions``: rows that have its key."""
        from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

        taken = self._judged.where(F.col("verdict") == NEW)
        stored = self._stored.select(SYSTEM, KEY, *(F.col(c).alias(f"old_{c}") for c in ("content_hash", "row_hash")))
        beside = taken.drop("verdict").join(stored, [SYSTEM, KEY], "left")
        verdict = (
            F.when(F.col("old_content_hash").isNull(), F.lit(NEW))
            .when(F.col("old_content_hash") != F.col("content_hash"), F.lit(CHANGED))
            .when(F.col("old_row_hash") != F.col("row_hash"), F.lit(UPDATED))
            .otherwise(F.lit(UNCHANGED))
        )
        compared = beside.withColumn("verdict", verdict).drop("old_content_hash", "old_row_hash")
        return compared.unionByName(self._judged.where(F.col("verdict") != NEW))

    @cached_property
    def losses(self) -> list[Lost]:
        """What would be deleted, per system."""
        from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

        if not self.complete:
            return []
        counted = self._beside_coming.groupBy(SYSTEM).agg(
            F.count(F.lit(1)).alias("stored"), F.count_if(F.col("came").isNull()).alias("lost")
        )
        return [Lost(row[SYSTEM], row["stored"], row["lost"]) for row in counted.collect()]

    @property
    def lost(self) -> int:
        """Number of stored rows that would be deleted."""
        return sum(loss.lost for loss in self.losses)

    def write(self, context: Context) -> None:
        """Put rejected rows into quarantine and bring the table up to date; where nothing changes, nothing is written.

        The table changes in one commit.
        """
        if self.count(*_REJECTED):
            merge(self.lake, QUARANTINE, self._quarantined(context), changed=None, distinct=True)
        if self.count(*_WRITTEN) or self.lost:
            self._merge(context)

    @cached_property
    def _stored(self) -> DataFrame:
        """The stored rows, with the key columns of staged ones."""
        from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

        stored = self.lake.read(self.target.table)
        for name, staged in self.target.keys.items():
            stored = stored.withColumnRenamed(name, staged)
        return stored if SYSTEM in stored.columns else stored.withColumn(SYSTEM, F.lit(""))

    @cached_property
    def _beside_coming(self) -> DataFrame:
        """Keys of the stored rows of complete systems; ``came`` is null where the key did not come, even rejected."""
        from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

        stored = self._stored.where(F.col(SYSTEM).isin(*self.complete)).select(SYSTEM, KEY)
        coming = self.staged.select(SYSTEM, KEY).distinct().withColumn("came", F.lit(1))
        return stored.join(coming, [SYSTEM, KEY], "left")

    @cached_property
    def _judged(self) -> DataFrame:
        """The staged rows judged by themselves: taken (``new``), duplicate, contradiction or without a key."""
        from pyspark.sql import Window  # noqa: PLC0415 - optional
        from pyspark.sql import functions as F  # noqa: N812, PLC0415

        # versions first: most batches repeat no key, and then no wide row is sorted
        keyed = self.staged.where(F.col(KEY) != "")
        versions = keyed.groupBy(SYSTEM, KEY).agg(
            F.count(F.lit(1)).alias("versions"), (F.min("row_hash") != F.max("row_hash")).alias("differ")
        )
        repeated = versions.where(F.col("versions") > 1)
        no_key = _judge(self.staged.where(F.col(KEY) == ""), F.lit(NO_KEY))
        if repeated.isEmpty():
            return _judge(keyed, F.lit(NEW)).unionByName(no_key)
        single = _judge(keyed.join(repeated, [SYSTEM, KEY], "left_anti"), F.lit(NEW))
        several = keyed.join(repeated, [SYSTEM, KEY])
        order = Window.partitionBy(SYSTEM, KEY).orderBy("origin", "line")
        verdict = (
            F.when(F.col("differ"), F.lit(CONTRADICTION))
            .when(F.row_number().over(order) > 1, F.lit(DUPLICATE))
            .otherwise(F.lit(NEW))
        )
        judged = several.withColumn("verdict", verdict).drop("differ")
        return single.unionByName(judged).unionByName(no_key)

    def _quarantined(self, context: Context) -> DataFrame:
        from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

        rows = self.verdicts.where(F.col("verdict").isin(*_REJECTED))
        no_key = F.lit(f"The key ({self.key_name}) is empty. Every row needs one.")
        contradiction = F.concat(
            F.lit("The key '"), F.col(KEY), F.lit("' is there "), F.col("versions").cast("string"),
            F.lit(" times with different content. Keep one row of it."),
        )  # fmt: skip
        system = F.lit(None).cast("string") if self.target.side is Side.REFERENCE else F.col(SYSTEM)
        found = rows.select(
            F.lit(str(self.target.side)).alias("side"),
            system.alias("source_system"),
            F.to_json("attributes").alias("raw"),
            F.when(F.col("verdict") == NO_KEY, no_key).otherwise(contradiction).alias("reason"),
            "origin",
            "line",
            F.lit(context.clock()).alias("quarantined_at"),
            F.lit(context.run_id).alias("run_id"),
            "row_hash",
        )
        place = F.concat_ws("\x1f", "side", SYSTEM, "origin", F.col("line").cast("string"), "row_hash")
        # rows of a table that are alike have no line to tell them apart
        return found.withColumn("row_id", F.sha2(place, 256)).dropDuplicates(["row_id"])

    def _merge(self, context: Context) -> None:
        from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

        target = self.target
        rows = self.verdicts.where(F.col("verdict").isin(*_WRITTEN))
        rows = rows.withColumns(
            {
                target.stamp: F.lit(context.clock()),
                "run_id": F.lit(context.run_id),
                "gone": F.lit(False),
            }
        )
        names = target.table.column_names
        rows = self._with_table_keys(rows).select(*names, "gone")
        if self.lost:
            kinds = {column.name: column.type for column in target.table.columns}
            gone = self._with_table_keys(self._beside_coming.where(F.col("came").isNull()))
            rest = [F.lit(None).cast(kinds[name]).alias(name) for name in names if name not in target.keys]
            rows = rows.unionByName(gone.select(*target.keys, *rest, F.lit(True).alias("gone")))
        on = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in target.keys)
        updates = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in names if name not in target.keys)
        values = ", ".join(f"s.{quoted(name)}" for name in names)
        self.lake.execute(
            f"MERGE INTO {self.lake.name(target.table)} t USING (SELECT * FROM {{rows}}) s ON {on}"
            f" WHEN MATCHED AND s.gone THEN DELETE WHEN MATCHED THEN UPDATE SET {updates}"
            f" WHEN NOT MATCHED AND NOT s.gone THEN INSERT ({', '.join(map(quoted, names))}) VALUES ({values})",
            rows=rows,
        )

    def _with_table_keys(self, rows: DataFrame) -> DataFrame:
        for name, staged in self.target.keys.items():
            rows = rows.withColumnRenamed(staged, name)
        return rows


def _judge(rows: DataFrame, verdict: Column) -> DataFrame:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    return rows.withColumns({"versions": F.lit(1).cast("bigint"), "verdict": verdict})
