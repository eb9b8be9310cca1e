"""``generate-metrics``: the figures of a run, its drift against what the model was trained on, and alerts."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.attributes import keyed, records_of
from entity_matching.jobs.drift import CONFIDENCE_BINS, PROFILE, Drift, compare_confidence, compare_records
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.metrics import Figure, record_metrics
from entity_matching.jobs.models import document, model_folder
from entity_matching.jobs.parameters import Parameters
from entity_matching.jobs.run_figures import STAGES, RunFigures
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import PIPELINE_METRICS, PIPELINE_RUNS
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

log = logging.getLogger(__name__)

ALERT = "alert"
"""Metric of an alert: its label says what of, its value is the figure that is out of bounds."""
MATCHING = "('exact-match', 'score-candidates', 'write-results')"
_CERTAIN = 2.58
"""Standard errors that a share must move by to have moved: 99% of moves by chance are smaller (normal)."""


class MetricsParameters(Parameters):
    """From where on a figure is an alert."""

    psi: float = Field(0.25, gt=0, description="Drift (population stability index) above which it alerts (0.25).")
    quarantine_share: float = Field(0.01, ge=0, le=1, description="Share of quarantined rows that alerts (0.01).")
    match_move: float = Field(
        0.1, gt=0, le=1, description="Change of the share of matches against the run before that alerts (0.1)."
    )
    drift_records: int = Field(20_000, ge=1, description="Records of the run that drift is measured on, at most.")


def _work(context: Context, given: MetricsParameters) -> Figures:
    run_id = given.run_id or _latest_run(context.lake)
    run, measured = RunFigures(context.lake, run_id), replace(context, run_id=run_id)
    run.ask()
    drift = _drift(run, given.drift_records)
    alerts = dict(_alerts(run, drift, given))
    whole = [*_whole(run), *_of_drift(drift), *((ALERT, *alert) for alert in alerts.items())]
    _clear_alerts(measured)
    record_metrics(measured, exact=_exact(run), score=_score(run), write=_write(run), run=whole)
    for label, value in alerts.items():
        log.warning("Alert: %s is %.3g.", label, value)
    return {
        "measured_run": run_id,
        "records": run.records,
        "decisions": run.decisions,
        "backlog": run.backlog,
        "psi": {name: round(found.psi, 4) for name, found in drift.items()},
        "alerts": alerts,
    }


def _latest_run(lake: Lakehouse) -> str:
    rows = (
        lake.sql(
            f"SELECT run_id FROM {lake.name(PIPELINE_RUNS)} WHERE job IN {MATCHING} AND status = 'done'"
            " ORDER BY started_at DESC LIMIT 1"
        )
        .toArrow()
        .to_pylist()
    )
    if not rows:
        raise EntityMatchingError(
            f"Nothing was matched yet in the catalog '{lake.settings.catalog}'.",
            remedy="Run the pipeline first: entity-matching run run-pipeline",
        )
    return str(rows[0]["run_id"])


def _exact(run: RunFigures) -> Iterator[Figure]:
    causes, methods, conflicts = Counter[str](), Counter[str](), 0
    for row in run.exact:
        causes[row["cause"]] += row["records"]
        methods[row["method"] or "to_score"] += row["records"]
        conflicts += row["records"] if row["conflicting"] else 0
    yield from (("records_by_cause", cause, count) for cause, count in causes.items())
    yield from (("records_by_method", method, count) for method, count in methods.items())
    yield "conflicts", "", conflicts


def _score(run: RunFigures) -> Iterator[Figure]:
    decisions, methods = Counter[str](), Counter[str]()
    for row in run.scored:
        decisions[row["decision"]] += row["records"]
        methods[row["method"]] += row["records"]
    asked, deep = (sum(row[name] for row in run.scored) for name in ("asked", "asked_ditto"))
    yield from (("records_by_decision", decision, count) for decision, count in decisions.items())
    yield from (("records_by_method", method, count) for method, count in methods.items())
    yield "candidates", "", asked
    yield "candidates_to_ditto", "", deep
    yield "ditto_share", "", deep / asked if asked else None


def _write(run: RunFigures) -> Iterator[Figure]:
    yield from (("decisions", decision, count) for decision, count in run.written.items())
    yield from (("changes", cause, count) for cause, count in run.changes.items())


def _whole(run: RunFigures) -> Iterator[Figure]:
    yield "records", "", run.records
    yield from (("records_by_decision", decision, count) for decision, count in run.decisions.items())
    yield "match_share", "", _match_share(run)
    yield from (
        ("confidence", f"{bin_ / CONFIDENCE_BINS:.2f}", int(count)) for bin_, count in enumerate(run.confidence)
    )
    yield from (("seconds", job, seconds) for job, seconds in run.seconds.items())
    matching = sum(run.seconds.get(job, 0.0) for job in STAGES)
    yield "records_per_second", "", run.records / matching if matching else None
    yield "backlog", "", run.backlog
    yield from (("gold", decision, count) for decision, count in run.totals.items())
    yield "quarantined", "", run.quarantined


def _of_drift(drift: Mapping[str, Drift]) -> Iterator[Figure]:
    for name, found in drift.items():
        yield "psi", name, found.psi
        yield "psi_by_chance", name, found.by_chance


def _drift(run: RunFigures, limit: int) -> dict[str, Drift]:
    """Compare the run with what its model was trained on: ``confidence``, and each attribute as ``attribute NAME``."""
    settings = run.lake.settings
    if run.model_version is None:
        return {}
    try:
        folder = model_folder(settings, run.model_version)
    except EntityMatchingError as error:  # a model that was given by its folder, or is gone
        log.warning("Drift is not measured: %s", error.message)
        return {}
    profile = document(folder, PROFILE)
    if profile is None:
        log.warning("Drift is not measured: the model %s has no profile of its training.", run.model_version)
        return {}
    if run.records > limit:
        log.info("Drift is measured on %d of %d records (--drift-records).", limit, run.records)
    schema = keyed(Schema.load(folder / "schema.yml"))
    sample = records_of(run.lake.sql(run.sample(limit)), schema, Side.SOURCE)
    found = {}
    confidence = compare_confidence(profile, run.confidence)
    if confidence is not None:
        found["confidence"] = confidence
    records = normalize_table(sample, schema, Side.SOURCE).combine_chunks()
    return found | {f"attribute {name}": drift for name, drift in compare_records(profile, records, schema).items()}


def _alerts(run: RunFigures, drift: Mapping[str, Drift], given: MetricsParameters) -> Iterator[tuple[str, float]]:
    for name, found in drift.items():
        if found.exceeds(given.psi):
            yield f"drift of {name}", round(found.psi, 4)
    if run.rejected_share > given.quarantine_share:
        yield "quarantine share", round(run.rejected_share, 4)
    before, now = _before(run), Shares(run.decisions["match"], run.records)
    if before is not None and now.moved(before, given.match_move):
        yield "match share moved", round(now.share - before.share, 4)


@dataclass(frozen=True)
class Shares:
    """So many matches of so many records."""

    matches: float
    records: float

    @property
    def share(self) -> float:
        """Share of matches, 0 to 1."""
        return self.matches / self.records if self.records else 0.0

    def moved(self, before: Shares, least: float) -> bool:
        """Say whether the share is another, by more than ``least`` and than chance explains (two-proportion z-test)."""
        if not self.records or not before.records:
            return False
        pooled = (self.matches + before.matches) / (self.records + before.records)
        error = math.sqrt(pooled * (1 - pooled) * (1 / self.records + 1 / before.records))
        return abs(self.share - before.share) > max(least, _CERTAIN * error)


def _match_share(run: RunFigures) -> float | None:
    return run.decisions["match"] / run.records if run.records else None


def _before(run: RunFigures) -> Shares | None:
    """Return matches and records of the last run before this one that looked at any record."""
    name = run.lake.name(PIPELINE_METRICS)
    runs, this = run.lake.name(PIPELINE_RUNS), literal(run.run_id)
    rows = (
        run.lake.sql(
            "SELECT r.value AS records, m.value AS matches FROM"
            f" (SELECT run_id, min(started_at) AS started FROM {runs} WHERE job IN {MATCHING} GROUP BY run_id) t"
            f" JOIN {name} r ON r.run_id = t.run_id AND r.stage = 'run' AND r.metric = 'records' AND r.value > 0"
            f" JOIN {name} m ON m.run_id = t.run_id AND m.stage = 'run' AND m.metric = 'records_by_decision'"
            " AND m.label = 'match'"
            f" WHERE t.started < (SELECT min(started_at) FROM {runs} WHERE run_id = {this} AND job IN {MATCHING})"
            " ORDER BY t.started DESC LIMIT 1"
        )
        .toArrow()
        .to_pylist()
    )
    return Shares(rows[0]["matches"], rows[0]["records"]) if rows else None


def _clear_alerts(context: Context) -> None:
    """Remove what an earlier measurement of the run alerted of."""
    name = context.lake.name(PIPELINE_METRICS)
    where = f"run_id = {literal(context.run_id)} AND stage = 'run' AND metric = '{ALERT}'"
    if context.lake.sql(f"SELECT 1 FROM {name} WHERE {where} LIMIT 1").toArrow().num_rows:
        context.lake.execute(f"DELETE FROM {name} WHERE {where}")


JOB = Job(
    "generate-metrics",
    "Measures a run: counts, confidence, speed, drift against the training set, review backlog, and alerts.",
    MetricsParameters,
    _work,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Do the job as a process."""
    JOB.main(argv)
