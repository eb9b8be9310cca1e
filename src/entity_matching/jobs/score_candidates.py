"""``score-candidates``: the candidates of the records that nothing exact decided, and the decision by their score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.equipment import equip
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.loaded import loaded_matcher
from entity_matching.jobs.models import model_folder, version_of
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.records import from_map, partitions_of, present_columns, read_columns, work_on
from entity_matching.jobs.references import reference_folder
from entity_matching.jobs.workers import JUDGED, Work, score
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import EXACT_MATCHES, PIPELINE_RUNS, SCORED_CANDIDATES, SOURCE_ENTITIES
from entity_matching.lakehouse.writes import replace_run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_HANDED_ON = ("source_system", "source_id", "content_hash")
_AGAIN = "Run exact-match again, with a new run id."


class ScoreCandidatesParameters(Parameters):
    """How the records of a run are scored."""

    model: str | None = Field(
        default=None, description="The model: a version, alias or folder (default: what exact-match of the run used)."
    )
    partitions: int | None = Field(
        default=None, ge=1, description="Parts to spread the records over (default: 1 on one machine, else 32)."
    )
    batch_rows: int = Field(
        default=20_000, ge=1, description="Records that a worker has in memory at once (default: 20000)."
    )
    no_cascade: bool = Field(
        default=False,
        description="Send every candidate to the model's Ditto, not only the doubtful ones (default: false).",
    )


def _work(context: Context, given: ScoreCandidatesParameters) -> Figures:
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    lake, run_id = context.lake, context.run_id
    versions = _versions(lake, run_id)
    if versions is None:  # nothing was pending
        replace_run(lake, SCORED_CANDIDATES, lake.read(SCORED_CANDIDATES).limit(0), run_id)
        return _figures(lake, run_id)
    model_version, reference_version = versions
    model = _model(lake, model_version, given.model)
    matcher = loaded_matcher(model, cascade=not given.no_cascade)
    columns = read_columns(matcher.schema)
    work = Work(
        model=str(model),
        reference=str(_reference(lake, model, reference_version)),
        columns=columns,
        handed_on=_HANDED_ON,
        added=JUDGED,
        batch_rows=given.batch_rows,
        present=present_columns(lake.read(SOURCE_ENTITIES), matcher.schema),
        cascade=not given.no_cascade,
    )
    like = lake.read(SCORED_CANDIDATES).select(*JUDGED)
    rows = _undecided(lake, run_id).select(*_HANDED_ON, "conflict", *from_map(columns))
    found = work_on(rows, score, work, like, partitions_of(lake, given.partitions))
    constants = {
        "run_id": F.lit(run_id),
        "model_version": F.lit(model_version),
        "reference_version": F.lit(reference_version),
        "scored_at": F.lit(context.clock()),
    }
    replace_run(lake, SCORED_CANDIDATES, found.withColumns(constants), run_id)
    return {**_figures(lake, run_id), "model_version": model_version, "reference_version": reference_version}


def _versions(lake: Lakehouse, run_id: str) -> tuple[str, str] | None:
    """Return the versions of model and reference that exact-match of the run used; ``None`` if it found no record.

    :raises EntityMatchingError: if there was no such run.
    """
    exact = lake.read(EXACT_MATCHES).where(f"run_id = {literal(run_id)}")
    found = exact.select("model_version", "reference_version").distinct().collect()
    if found:
        return found[0]["model_version"], found[0]["reference_version"]
    done = f"job = 'exact-match' AND status = 'done' AND run_id = {literal(run_id)}"
    if lake.read(PIPELINE_RUNS).where(done).count():
        return None
    last = lake.read(PIPELINE_RUNS).where("job = 'exact-match' AND status = 'done'").orderBy("started_at").tail(1)
    hint = f" The last one that did is '{last[0]['run_id']}'." if last else ""
    raise EntityMatchingError(
        f"exact-match has not been done in the run '{run_id}'.",
        remedy=f"Do it first, or name the run in which it was, with --run-id.{hint}",
    )


def _model(lake: Lakehouse, version: str, asked: str | None) -> Path:
    """Return the folder of the model that decided the first part of the run.

    :raises EntityMatchingError: if it is gone, or another was asked for.
    """
    folder = model_folder(lake.settings, asked or version)
    if version_of(lake.settings, folder) != version:
        raise EntityMatchingError(
            f"exact-match of this run used the model '{version}', not '{asked}'.",
            remedy="Leave out --model, or run exact-match again with this one.",
        )
    return folder


def _reference(lake: Lakehouse, model: Path, version: str) -> Path:
    """Return the folder of the reference that exact-match of the run used.

    :raises EntityMatchingError: if it is gone and cannot be made again.
    """
    folder = reference_folder(lake.settings, version)
    if not folder.is_dir() and equip(lake, str(model)).reference.version != version:
        raise EntityMatchingError(
            f"The reference '{version}', which exact-match of this run used, is gone.", remedy=_AGAIN
        )
    return folder


def _undecided(lake: Lakehouse, run_id: str) -> DataFrame:
    """Return the records of the run that are to be scored; not those whose content has changed since."""
    return lake.sql(
        f"SELECT e.source_system, e.source_id, e.content_hash, e.conflict, s.attributes"
        f" FROM {lake.name(EXACT_MATCHES)} e JOIN {lake.name(SOURCE_ENTITIES)} s"
        " ON s.source_system = e.source_system AND s.source_id = e.source_id AND s.content_hash = e.content_hash"
        f" WHERE e.run_id = {literal(run_id)} AND e.entity_id IS NULL"
    )


def _figures(lake: Lakehouse, run_id: str) -> dict[str, Any]:
    rows = lake.sql(
        "SELECT decision, count(*) AS records, sum(asked) AS asked, sum(asked_ditto) AS asked_ditto"
        f" FROM {lake.name(SCORED_CANDIDATES)} WHERE run_id = {literal(run_id)} GROUP BY decision"
    ).collect()
    return {
        "records": sum(row["records"] for row in rows),
        "decisions": {row["decision"]: row["records"] for row in sorted(rows, key=lambda row: str(row["decision"]))},
        "candidates": sum(row["asked"] for row in rows),
        "candidates_to_ditto": sum(row["asked_ditto"] for row in rows),
    }


JOB = Job(
    "score-candidates",
    "Search, score and decide the records that exact-match left, with Ditto for the hard ones.",
    ScoreCandidatesParameters,
    _work,
)


def main(argv: list[str] | None = None) -> None:
    """Do the job with the arguments of the process."""
    JOB.main(argv)
