"""The job ``write-results``: a run's decisions become the present ones, and their changes history."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from entity_matching.jobs.examined import examined_reference
from entity_matching.jobs.job import Context, Job
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.results import WRITER, Results
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
    removed = results.removed.count()
    figures = {**_figures(results), "removed": removed}
    if figures["changes"] or removed:
        merge(lake, MATCH_HISTORY, results.history, distinct=True)
    _write_gold(context, results, any_rows=any(figures["decisions"].values()))
    delete(lake, MATCHED_ENTITIES, results.removed.select(*MATCHED_ENTITIES.key), known=removed)
    return figures


def _write_gold(context: Context, results: Results, *, any_rows: bool) -> None:
    """Write the decisions, and which reference the others hold for: in one commit."""
    rows = results.rows
    reference = examined_reference(context.lake.settings, context.run_id)
    if reference is not None:
        unconcerned = results.unconcerned(reference)
        any_rows = any_rows or not unconcerned.isEmpty()
        rows = rows.unionByName(unconcerned)
    if any_rows:
        merge(context.lake, MATCHED_ENTITIES, rows, distinct=True)


def _figures(results: Results) -> dict[str, Any]:
    """Return numbers of records: by decision; changes by cause; and what the run looked at and is not written."""
    decisions = {"match": 0, "review": 0, "no_match": 0}
    changes: dict[str, int] = {}
    for decision, cause, does_change, records in results.counts():
        decisions[decision] += records
        if does_change:
            changes[cause] = changes.get(cause, 0) + records
    fates = results.fates()
    undecided, outdated = fates.get("undecided", 0), fates.get("outdated", 0)
    if undecided:
        log.warning("%d records were looked at and not scored; run score-candidates first.", undecided)
    if outdated:
        log.info("%d records have changed since they were matched, and are left to the next run.", outdated)
    return {
        "decisions": decisions,
        "changes": dict(sorted(changes.items())),
        "undecided": undecided,
        "outdated": outdated,
    }


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
