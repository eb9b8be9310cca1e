"""Which source records a run looks at, and why."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from entity_matching.errors import ArtifactError, SettingsError
from entity_matching.jobs.affected import Question, affected
from entity_matching.jobs.attributes import stored_schema
from entity_matching.jobs.changes import Changes, changes_between, comparable
from entity_matching.jobs.examined import (
    Examined,
    note_columns_decided,
    note_drift,
    note_examined,
    read_columns_decided,
    read_drift,
)
from entity_matching.jobs.references import reference_folder
from entity_matching.jobs.reviews import last_words
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, SOURCE_ENTITIES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from entity_matching.jobs.job import Context
    from entity_matching.lakehouse import Lakehouse, LakehouseSettings
    from entity_matching.schema import Schema

log = logging.getLogger(__name__)

_HANDED_ON = "source_system STRING, source_id STRING, content_hash STRING, attributes MAP<STRING, STRING>"
_ASKED = ("source_system", "source_id", "content_hash", "attributes", "method", "doubtful", "listed")


@dataclass(frozen=True)
class PendingSettings:
    """When a change of the reference concerns a record; the rule is in :mod:`entity_matching.jobs.affected`.

    ``most_changed``: share of the reference, 0 to 1; when more than that has changed since all records were last
    looked at, all are. 0: any change concerns all. ``nearest``: place among a record's candidates that something new
    must reach to count, from 1. ``doubt``: a record whose confidence is nearer than that, 0 to 1, to where decisions
    change is looked at whenever the reference has changed. ``batch_rows``: records looked at at once.
    """

    most_changed: float = 0.2
    nearest: int = 3
    doubt: float = 0.1
    batch_rows: int = 20_000

    def __post_init__(self) -> None:
        """Check the ranges.

        :raises SettingsError: if one is not kept.
        """
        for name in ("most_changed", "doubt"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise SettingsError(f"'{name}' is {value}; expected a share, 0 to 1.", remedy="Correct it.")
        for name in ("nearest", "batch_rows"):
            value = getattr(self, name)
            if value < 1:
                raise SettingsError(f"'{name}' is {value}; expected at least 1.", remedy="Correct it.")


def pending(
    context: Context,
    model_version: str,
    reference_version: str,
    *,
    full: bool = False,
    rescore: bool = False,
    schema: Schema | None = None,
    columns: Mapping[str, tuple[str, ...]] | None = None,
    settings: PendingSettings | None = None,
) -> DataFrame:
    """Return the records that a run is to look at, each with the first cause that holds.

    =============  ======================================================================
    ``new``        gold does not have it
    ``changed``    what matching reads of it, or the columns that its system has, are not what gold was decided on
    ``full``       any other, with ``full``
    ``review``     what a person had decided on it was taken back
    ``model``      another model had decided, with ``rescore``
    ``reference``  the reference changed in a way that may concern it
    =============  ======================================================================

    All this is told from gold, the saved references and notes beside them, so that a run that was killed leaves
    nothing that the next one would have to know about.

    :param reference_version: the present version of the reference, whose folder has been saved.
    :param schema: what that was made ready with; by default the one of the catalog.
    :param columns: per source system the columns of the schema that its records have, on which a decision depends; by
        default all.
    :returns: ``source_system``, ``source_id``, ``content_hash``, ``attributes`` and ``cause``.
    """
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    settings = settings or PendingSettings()
    examined = Examined(reference_version, columns or {})
    regrown = _regrown(context.lake.settings, examined.columns)
    plan = _Plan() if full else _Plan.make(context.lake, reference_version, settings)
    known = _with_gold(context.lake, settings.doubt)
    at_once = F.col("reference_version").isNull() | F.col("reference_version").isin(list(plan.all_of))
    cause = (
        F.when(F.col("decided_hash").isNull(), "new")
        .when(F.col("decided_hash") != F.col("content_hash"), "changed")
        .when(F.lit(full), "full")
        .when(F.col("source_system").isin(regrown), "changed")
        .when((F.col("method") == "review") & ~F.col("reviewed"), "review")
        .when(F.lit(rescore) & ~F.col("model_version").eqNullSafe(model_version), "model")
        .when(at_once, "reference")
    )
    caused = known.withColumn("cause", cause)
    rows = caused.where(F.col("cause").isNotNull()).select(*_ASKED[:4], "cause")
    for old in plan.some_of:
        asked = caused.where(F.col("cause").isNull() & (F.col("reference_version") == old)).select(*_ASKED)
        question = Question(
            old=str(reference_folder(context.lake.settings, old)),
            present=str(reference_folder(context.lake.settings, reference_version)),
            schema=(schema or stored_schema(context.lake.settings)).model_dump_json(),
            nearest=settings.nearest,
            batch_rows=settings.batch_rows,
            columns=columns,
        )
        found = asked.mapInArrow(functools.partial(affected, question), _HANDED_ON)
        rows = rows.unionByName(found.withColumn("cause", F.lit("reference")))
    note_examined(context.lake.settings, context.run_id, examined)
    return rows


def _regrown(settings: LakehouseSettings, columns: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the systems whose records may have been decided with other columns; what was known of them is forgotten.

    The run that then decides them notes their columns when gold has its decisions.
    """
    before = read_columns_decided(settings)
    regrown = [system for system, names in columns.items() if set(before.get(system, ())) != set(names)]
    for system in regrown:
        if system in before:
            log.info(
                "All records of '%s' are matched again: its columns were %s, and are %s.",
                system,
                ", ".join(sorted(before[system])),
                ", ".join(sorted(columns[system])),
            )
    if not before.keys().isdisjoint(regrown):
        note_columns_decided(settings, {name: kept for name, kept in before.items() if name not in regrown})
    return regrown


@dataclass(frozen=True)
class _Plan:
    """Versions of the reference: those whose records are all looked at, and those of which some are."""

    all_of: tuple[str, ...] = ()
    some_of: tuple[str, ...] = ()

    @classmethod
    def make(cls, lake: Lakehouse, present: str, settings: PendingSettings) -> _Plan:
        """Compare the versions that gold was decided on with the present one."""
        rows = lake.read(MATCHED_ENTITIES).select("reference_version").distinct().collect()
        drift = read_drift(lake.settings)
        all_of, some_of = [], []
        kept = {present: drift.get(present, 0.0)}
        for old in sorted({row[0] for row in rows} - {None, present}):
            kept[old] = drift.get(old, 0.0)
            changes = _changes(lake, old, present)
            share = kept[old] + (changes.share if changes else 0.0)
            if changes is None or (changes.size and share > settings.most_changed):
                all_of.append(old)
                _explain(old, share if changes else None, settings)
                continue
            kept[present] = max(kept[present], share)
            if changes.size:
                some_of.append(old)
        note_drift(lake.settings, kept)
        return cls(tuple(all_of), tuple(some_of))


def _changes(lake: Lakehouse, old: str, present: str) -> Changes | None:
    """Return what changed; ``None`` if the two cannot be compared."""
    folders = reference_folder(lake.settings, old), reference_folder(lake.settings, present)
    if not comparable(*folders):
        return None
    try:
        return changes_between(*folders)
    except ArtifactError as error:  # the present one is read by whoever matches against it
        log.info("The reference %s is not compared with: %s", old, error)
        return None


def _explain(old: str, share: float | None, settings: PendingSettings) -> None:
    if share is None:
        log.info(
            "All records matched against the reference %s are matched again: it is no longer kept, or was made with"
            " other attributes or settings.",
            old,
        )
    else:
        log.info(
            "All records matched against the reference %s are matched again: %.1f%% of it have changed since all were"
            " last matched, more than %.1f%% (setting 'most_changed').",
            old,
            100 * share,
            100 * settings.most_changed,
        )


def _with_gold(lake: Lakehouse, doubt: float) -> DataFrame:
    """Return the source records with what gold says of each.

    Where decisions change is told from gold itself, per model: the confidences of scored records on either side.
    """
    gold = lake.name(MATCHED_ENTITIES)
    edges = f"""SELECT model_version,
  max(CASE WHEN decision = 'no_match' THEN confidence END) AS edge_1,
  min(CASE WHEN decision = 'review' THEN confidence END) AS edge_2,
  max(CASE WHEN decision = 'review' THEN confidence END) AS edge_3,
  min(CASE WHEN decision = 'match' THEN confidence END) AS edge_4
FROM {gold} WHERE method = 'scored' GROUP BY model_version"""
    near = " OR ".join(f"coalesce(abs(g.confidence - e.edge_{number}) < {doubt}, false)" for number in range(1, 5))
    return lake.sql(f"""SELECT s.source_system, s.source_id, s.content_hash, s.attributes,
  g.content_hash AS decided_hash, g.method, g.model_version, g.reference_version,
  r.source_id IS NOT NULL AS reviewed,
  transform(g.candidates, c -> c.entity_id) AS listed,
  g.method = 'scored' AND ({near}) OR (g.method = 'scored' AND g.decision <> 'no_match'
    OR g.method = 'review' AND g.decision = 'review')
    AND g.confidence - coalesce(get(g.candidates, 1).confidence, 0) < {doubt} AS doubtful
FROM {lake.name(SOURCE_ENTITIES)} s
LEFT JOIN {gold} g ON g.source_system = s.source_system AND g.source_id = s.source_id
LEFT JOIN ({edges}) e ON e.model_version <=> g.model_version
LEFT JOIN {last_words(lake)} r ON r.source_system = s.source_system AND r.source_id = s.source_id""")
