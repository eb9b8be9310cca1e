"""The job ``write-results``: a run's decisions become the present ones, and their changes history."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from entity_matching.jobs.examined import note_columns_decided, read_columns_decided
from entity_matching.jobs.job import Context, Job
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.results import WRITER, Counts, Results
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.names import quoted
from entity_matching.lakehouse.tables import MATCH_HISTORY, MATCHED_ENTITIES
from entity_matching.lakehouse.writes import merge

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from entity_matching.lakehouse import Lakehouse

log = logging.getLogger(__name__)


class WriteResultsParameters(Parameters):
    """Parameters of ``write-results``."""


def _work(context: Context, parameters: WriteResultsParameters) -> dict[str, Any]:
    """Write the history first, then gold.

    A run killed between the two leaves rows in the history that gold does not bear out. The next one, of whatever run,
    takes them back before it begins; it finds in gold what is still to be done.
    """
    lake = context.lake
    results = Results(context)
    undone = delete(lake, MATCH_HISTORY, results.unwritten)
    if undone:
        log.info("%d rows of the history are taken back: a run was killed before gold had them.", undone)
    counts = results.counts()
    _tell(counts)
    if counts.changes or counts.removed:
        merge(lake, MATCH_HISTORY, _computed(lake, results.history), distinct=True)
    _write_gold(context, results, counts)
    delete(lake, MATCHED_ENTITIES, results.removed.select(*MATCHED_ENTITIES.key), known=counts.removed)
    changes = dict(sorted(counts.changes.items()))
    return {"decisions": counts.decisions, "changes": changes, **counts.fates, "removed": counts.removed}


def _write_gold(context: Context, results: Results, counts: Counts) -> None:
    """Write the decisions, and which reference the others hold for: in one commit."""
    settings = context.lake.settings
    examined = results.examined
    unconcerned = results.unconcerned(examined.reference_version) if examined else None
    rows = [results.rows] if any(counts.decisions.values()) else []
    rows += [] if unconcerned is None else [unconcerned]
    if rows:
        merge(context.lake, MATCHED_ENTITIES, _computed(context.lake, functools.reduce(_union, rows)), distinct=True)
    if examined and not counts.fates["undecided"]:
        note_columns_decided(settings, {**read_columns_decided(settings), **examined.columns})


def _computed(lake: Lakehouse, rows: DataFrame) -> DataFrame:
    """Return rows that are computed once where that is cheap: Sail computes what it merges several times over."""
    return lake.frame(rows.toArrow()) if lake.is_local else rows


def _union(one: DataFrame, other: DataFrame) -> DataFrame:
    return one.unionByName(other)


def _tell(counts: Counts) -> None:
    """Log what the run looked at and does not write."""
    if counts.fates["undecided"]:
        log.warning("%d records were looked at and not scored; run score-candidates first.", counts.fates["undecided"])
    if counts.fates["outdated"]:
        log.info(
            "%d records have changed since they were matched, and are left to the next run.", counts.fates["outdated"]
        )


def delete(lake: Lakehouse, table: Table, keys: DataFrame, *, known: int | None = None) -> int:
    """Delete rows by their keys, in one commit.

    :param keys: the key columns of the table.
    :param known: how many there are, if that is known.
    :returns: how many there were.
    """
    number = keys.count() if known is None else known
    if number:
        on = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in table.key)
        merged = f"MERGE INTO {lake.name(table)} t USING (SELECT * FROM {{deleted}}) s ON {on} WHEN MATCHED THEN DELETE"
        lake.execute(merged, deleted=keys)
    return number


JOB = Job(
    WRITER,
    "Makes a run's decisions the present ones, with those of people in their place, and writes down what changed.",
    WriteResultsParameters,
    _work,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job as a process."""
    JOB.main(argv)
