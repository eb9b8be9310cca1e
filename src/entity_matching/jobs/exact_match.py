"""``exact-match``: the records that a run looks at, and what an identifier or a name decides of them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from entity_matching.jobs.equipment import Equipment, equip
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.pending import PendingSettings, pending
from entity_matching.jobs.records import from_map, partitions_of, present_columns, read_columns, work_on
from entity_matching.jobs.references import KEPT
from entity_matching.jobs.workers import SETTLED, Work, settle
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import EXACT_MATCHES, SOURCE_ENTITIES
from entity_matching.lakehouse.writes import replace_run

_RULE = PendingSettings()
_HANDED_ON = ("source_system", "source_id", "content_hash", "cause")


class ExactMatchParameters(Parameters):
    """What a run looks at, and with which model."""

    model: str | None = Field(
        default=None, description="The model: a version, an alias, models:/... or a folder (default: champion)."
    )
    full: bool = Field(default=False, description="Look at every record, changed or not (default: false).")
    rescore: bool = Field(default=False, description="Look at what another model decided, too (default: false).")
    partitions: int | None = Field(
        default=None, ge=1, description="Parts to spread the records over (default: 1 on one machine, else 32)."
    )
    batch_rows: int = Field(
        default=20_000, ge=1, description="Records that a worker has in memory at once (default: 20000)."
    )
    keep_references: int = Field(
        default=KEPT, ge=1, description=f"Versions of the reference to keep, those used last (default: {KEPT})."
    )
    most_changed: float = Field(
        default=_RULE.most_changed,
        ge=0,
        le=1,
        description="Share of the reference that may change before all records are looked at again, 0 to 1 (default: "
        f"{_RULE.most_changed}; 0: any change).",
    )
    nearest: int = Field(
        default=_RULE.nearest,
        ge=1,
        description="Place among a record's candidates that a new reference record must reach for it to be looked at "
        f"again (default: {_RULE.nearest}).",
    )
    doubt: float = Field(
        default=_RULE.doubt,
        ge=0,
        le=1,
        description="A record whose confidence is nearer than this to where decisions change is looked at whenever the "
        f"reference changed (default: {_RULE.doubt}).",
    )

    def pending_settings(self) -> PendingSettings:
        """Return when a change of the reference concerns a record."""
        return PendingSettings(self.most_changed, self.nearest, self.doubt, self.batch_rows)


def _work(context: Context, given: ExactMatchParameters) -> Figures:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    lake = context.lake
    equipment = equip(lake, given.model, kept=given.keep_references)
    versions = equipment.model_version, equipment.reference.version
    schema = equipment.schema
    present = present_columns(lake.read(SOURCE_ENTITIES), schema)
    rows = pending(
        context,
        *versions,
        full=given.full,
        rescore=given.rescore,
        schema=schema,
        columns=present,
        settings=given.pending_settings(),
    )
    columns = read_columns(schema)
    work = Work(
        model=str(equipment.model),
        reference=str(equipment.reference.folder),
        columns=columns,
        handed_on=_HANDED_ON,
        added=SETTLED,
        batch_rows=given.batch_rows,
        present=present,
    )
    like = lake.read(EXACT_MATCHES).select(*SETTLED)
    partitions = partitions_of(lake, given.partitions)
    found = work_on(rows.select(*_HANDED_ON, *from_map(columns)), settle, work, like, partitions)
    constants = {
        "run_id": F.lit(context.run_id),
        "model_version": F.lit(equipment.model_version),
        "reference_version": F.lit(equipment.reference.version),
        "matched_at": F.lit(context.clock()),
    }
    replace_run(lake, EXACT_MATCHES, found.withColumns(constants), context.run_id)
    return {**_figures(lake, context.run_id), **_versions(equipment)}


def _versions(equipment: Equipment) -> dict[str, str]:
    return {"model_version": equipment.model_version, "reference_version": equipment.reference.version}


def _figures(lake: Lakehouse, run_id: str) -> dict[str, Any]:
    rows = lake.sql(
        "SELECT cause, method, count(*) AS records, count(conflict) AS conflicts"
        f" FROM {lake.name(EXACT_MATCHES)} WHERE run_id = {literal(run_id)} GROUP BY cause, method"
    ).collect()
    causes: dict[str, int] = {}
    methods: dict[str, int] = {}
    for row in rows:
        causes[row["cause"]] = causes.get(row["cause"], 0) + row["records"]
        methods[row["method"] or "to_score"] = methods.get(row["method"] or "to_score", 0) + row["records"]
    return {
        "records": sum(causes.values()),
        "causes": dict(sorted(causes.items())),
        "methods": dict(sorted(methods.items())),
        "conflicts": sum(row["conflicts"] for row in rows),
    }


JOB = Job(
    "exact-match",
    "Find the records to look at, and decide those that an identifier or a unique name decides.",
    ExactMatchParameters,
    _work,
)


def main(argv: list[str] | None = None) -> None:
    """Do the job with the arguments of the process."""
    JOB.main(argv)
