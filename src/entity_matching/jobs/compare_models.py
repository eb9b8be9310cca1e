"""``compare-models``: which decisions on the last run's records would change with another version of the model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import Field

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.equipment import Equipment, equip
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.records import from_map, partitions_of, present_columns, read_columns, work_on
from entity_matching.jobs.workers import DECIDED, Work, match
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import (
    EXACT_MATCHES,
    MATCHED_ENTITIES,
    MODEL_COMPARISONS,
    PIPELINE_RUNS,
    SOURCE_ENTITIES,
)
from entity_matching.lakehouse.writes import replace_run
from entity_matching.registry.location import CHALLENGER, CHAMPION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)

_HANDED_ON = ("source_system", "source_id", "content_hash")
_TOLD = ("decision", "entity_id", "confidence", "method")


class CompareModelsParameters(Parameters):
    """Which two models, and on how many records."""

    champion: str = Field(default=CHAMPION, description="The one model: version, alias or folder (default: champion).")
    challenger: str = Field(default=CHALLENGER, description="The other one, likewise (default: challenger).")
    records: int = Field(
        default=20_000, ge=1, description="Records of the last run that are compared, at most (default: 20000)."
    )
    partitions: int | None = Field(
        default=None, ge=1, description="Parts to spread the records over (default: 1 on one machine, else 32)."
    )
    batch_rows: int = Field(
        default=20_000, ge=1, description="Records that a worker has in memory at once (default: 20000)."
    )


def _work(context: Context, given: CompareModelsParameters) -> Figures:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    lake = context.lake
    one, other = (equip(lake, model) for model in (given.champion, given.challenger))
    last, rows = _last_records(lake, given.records)
    # lists of candidates are not compared, and would only be carried along
    first, second = (
        _decided(lake, rows, equipment, given).select(*_HANDED_ON, *_TOLD, "reason") for equipment in (one, other)
    )
    frames = {"first": first, "second": second}
    changed = lake.sql(
        "SELECT a.source_system, a.source_id, a.content_hash,"
        + "".join(f" a.{name} AS champion_{name}, b.{name} AS challenger_{name}," for name in _TOLD)
        + " b.reason AS challenger_reason FROM {first} a JOIN {second} b"
        " ON a.source_system = b.source_system AND a.source_id = b.source_id"
        " WHERE a.decision <> b.decision OR coalesce(a.entity_id, '') <> coalesce(b.entity_id, '')",
        **frames,
    )
    constants = {
        "run_id": F.lit(context.run_id),
        "champion_version": F.lit(one.model_version),
        "challenger_version": F.lit(other.model_version),
        "reference_version": F.lit(other.reference.version),
        "compared_at": F.lit(context.clock()),
    }
    replace_run(lake, MODEL_COMPARISONS, changed.withColumns(constants), context.run_id)
    return {
        "champion": one.model_version,
        "challenger": other.model_version,
        "compared_run": last,
        "records": rows.count(),
        **_figures(lake, context.run_id),
    }


def changed_rows(lake: Lakehouse, run_id: str, limit: int) -> list[dict[str, Any]]:
    """Return decisions that a comparison found to change: matches that come or go first, then the surest ones.

    :param limit: rows at most.
    """
    query = (
        "SELECT source_system, source_id, champion_decision, champion_entity_id, champion_confidence,"
        " challenger_decision, challenger_entity_id, challenger_confidence, challenger_reason"
        f" FROM {lake.name(MODEL_COMPARISONS)} WHERE run_id = {literal(run_id)}"
        " ORDER BY champion_decision = 'match' OR challenger_decision = 'match' DESC,"
        " greatest(champion_confidence, challenger_confidence) DESC, source_system, source_id"
    )
    return list(lake.sql(f"{query} LIMIT {limit}").toArrow().to_pylist())


def _last_records(lake: Lakehouse, limit: int) -> tuple[str, DataFrame]:
    """Return the last run that matched records, and those of its records that are still as they were.

    :raises EntityMatchingError: if there was none.
    """
    runs = lake.sql(
        f"SELECT r.run_id, count(*) AS records, max(r.started_at) AS latest FROM {lake.name(PIPELINE_RUNS)} r"
        f" JOIN {lake.name(EXACT_MATCHES)} e ON e.run_id = r.run_id"
        f" JOIN {lake.name(SOURCE_ENTITIES)} s ON s.source_system = e.source_system AND s.source_id = e.source_id"
        " AND s.content_hash = e.content_hash"
        " WHERE r.job = 'exact-match' AND r.status = 'done' GROUP BY r.run_id ORDER BY latest DESC LIMIT 1"
    ).collect()
    if not runs:
        raise EntityMatchingError(
            f"No run of the catalog '{lake.settings.catalog}' has matched records yet.",
            remedy="Match some first: entity-matching run run-pipeline -- --source FILE",
        )
    last, total = runs[0]["run_id"], runs[0]["records"]
    if total > limit:
        log.warning("%s of the %s records of the run are compared (--records).", f"{limit:,}", f"{total:,}")
    return last, lake.sql(
        f"SELECT s.* FROM {lake.name(SOURCE_ENTITIES)} s JOIN {lake.name(EXACT_MATCHES)} e"
        " ON s.source_system = e.source_system AND s.source_id = e.source_id AND s.content_hash = e.content_hash"
        f" WHERE e.run_id = {literal(last)} ORDER BY s.source_system, s.source_id LIMIT {limit}"
    )


def _decided(lake: Lakehouse, rows: DataFrame, equipment: Equipment, given: CompareModelsParameters) -> DataFrame:
    columns = read_columns(equipment.schema)
    work = Work(
        model=str(equipment.model),
        reference=str(equipment.reference.folder),
        columns=columns,
        handed_on=_HANDED_ON,
        added=DECIDED,
        batch_rows=given.batch_rows,
        present=present_columns(lake.read(SOURCE_ENTITIES), equipment.schema),
    )
    like = lake.read(MATCHED_ENTITIES).select(*DECIDED)
    partitions = partitions_of(lake, given.partitions)
    return work_on(rows.select(*_HANDED_ON, *from_map(columns)), match, work, like, partitions)


def _figures(lake: Lakehouse, run_id: str) -> dict[str, Any]:
    rows = lake.sql(
        "SELECT champion_decision, challenger_decision, count(*) AS records"
        f" FROM {lake.name(MODEL_COMPARISONS)} WHERE run_id = {literal(run_id)}"
        " GROUP BY champion_decision, challenger_decision ORDER BY 1, 2"
    ).collect()
    changes = {
        f"{row['champion_decision']} to {row['challenger_decision']}"
        if row["champion_decision"] != row["challenger_decision"]
        else f"{row['champion_decision']}, another entity": row["records"]
        for row in rows
    }
    return {"changed": sum(changes.values()), "changes": changes}


JOB = Job(
    "compare-models",
    "Decide the last run's records by two versions of the model, and write down where they differ.",
    CompareModelsParameters,
    _work,
)


def main(argv: list[str] | None = None) -> None:
    """Do the job with the arguments of the process."""
    JOB.main(argv)
