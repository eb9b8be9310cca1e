"""The state of a lakehouse: its last runs, its tables, the model in force, what waits for people, alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from entity_matching.jobs import models
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.lock import is_going_on
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import PIPELINE_METRICS, PIPELINE_RUNS, QUARANTINE, REVIEW_QUEUE, TABLES

KILLED = "killed"
"""Status of a run that is written down as running although no run is going on."""
Found = dict[str, Any]


def state(lake: Lakehouse, runs: int) -> Found:
    """Return the state of a lakehouse, times as :class:`datetime.datetime`.

    :param runs: so many of the last runs.
    """
    return {
        "catalog": lake.settings.catalog,
        "runs": last_runs(lake, runs),
        "tables": [_table(lake, table) for table in TABLES],
        "model": _model(lake),
        "review_backlog": _one(lake, f"SELECT count(*) AS value FROM {lake.name(REVIEW_QUEUE)}"),
        "quarantine": _quarantine(lake),
        "alerts": _alerts(lake),
    }


def last_runs(lake: Lakehouse, limit: int) -> list[Found]:
    """Return the last runs, the latest first.

    :returns: of each ``run_id``, ``status`` (that of its worst job: running, killed, failed or done), ``jobs`` (the
        status of each, in the order of their start), ``job_seconds`` (of those that ended), ``started_at``,
        ``seconds``, ``message``, and ``decisions`` (how many records it decided how; empty if none).
    """
    name = lake.name(PIPELINE_RUNS)
    rows = _rows(
        lake,
        f"SELECT r.* FROM {name} r JOIN (SELECT run_id, max(started_at) AS latest FROM {name} GROUP BY run_id"
        f" ORDER BY latest DESC, run_id LIMIT {limit}) l ON r.run_id = l.run_id ORDER BY l.latest DESC, r.started_at",
    )
    going_on = is_going_on(lake.settings)
    found: dict[str, list[Found]] = {}
    for row in rows:
        found.setdefault(row["run_id"], []).append(row)
    # one run goes on at a time, and it is the one that began last
    live = max(rows, key=lambda row: row["started_at"], default=None) if going_on else None
    decided = _decisions(lake, list(found))
    return [
        _run(jobs, live, known=going_on is not None) | {"decisions": decided.get(run_id, {})}
        for run_id, jobs in found.items()
    ]


def _decisions(lake: Lakehouse, runs: list[str]) -> dict[str, dict[str, int]]:
    """Return how many records each run decided how."""
    found: dict[str, dict[str, int]] = {}
    if runs:
        rows = _rows(
            lake,
            f"SELECT run_id, label, value FROM {lake.name(PIPELINE_METRICS)} WHERE stage = 'write' AND"
            f" metric = 'decisions' AND run_id IN ({', '.join(map(literal, runs))}) ORDER BY label",
        )
        for row in rows:
            found.setdefault(row["run_id"], {})[row["label"]] = int(row["value"])
    return found


def _run(jobs: list[Found], live: Found | None, *, known: bool) -> Found:
    statuses = {job["job"]: job["status"] for job in jobs}
    if known and not (live is not None and live["run_id"] == jobs[0]["run_id"]):
        statuses = {job: KILLED if status == "running" else status for job, status in statuses.items()}
    order = ("running", KILLED, "failed", "done")
    took = {job["job"]: _seconds(job["started_at"], job["finished_at"]) for job in jobs if job["finished_at"]}
    ends = [job["finished_at"] for job in jobs if job["finished_at"] is not None]
    started = min(job["started_at"] for job in jobs)
    return {
        "run_id": jobs[0]["run_id"],
        "status": next(status for status in order if status in statuses.values()),
        "jobs": statuses,
        "job_seconds": took,
        "started_at": started,
        "seconds": _seconds(started, max(ends)) if ends else None,
        "message": next((job["message"] for job in jobs if job["message"]), None),
    }


def _seconds(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds()


def _table(lake: Lakehouse, table: Table) -> Found:
    """Return how many rows a table has, and when the newest was written."""
    return {"table": table.full_name, **_rows(lake, table_statement(table, lake.name(table)))[0]}


def table_statement(table: Table, name: str) -> str:
    """Return the statement that counts a table's ``rows`` and finds when the ``newest`` was written.

    :param name: the table's name in SQL.
    """
    time = next(column.name for column in reversed(table.columns) if column.type == "TIMESTAMP" and not column.nullable)
    return f"SELECT count(*) AS rows, max({time}) AS newest FROM {name}"


def _model(lake: Lakehouse) -> Found | None:
    version = models.current(lake.settings)
    if version is None:
        return None
    told = models.document(models.model_folder(lake.settings, version), models.TRAINING) or {}
    trained = told.get("trained_at")
    return {
        "version": version,
        "trained_at": None if trained is None else datetime.fromisoformat(trained),
        "ditto": told.get("ditto"),
        "f1": told.get("evaluation", {}).get("f1", {}).get("value"),
        "versions": len(models.versions(lake.settings)),
    }


def _quarantine(lake: Lakehouse) -> Found:
    name = lake.name(QUARANTINE)
    runs = f"{lake.name(PIPELINE_RUNS)} WHERE job = 'ingest-source-entities'"
    last = f"SELECT run_id FROM {runs} ORDER BY started_at DESC LIMIT 1"
    newest = _rows(lake, f"SELECT count(*) AS value FROM {name} q JOIN ({last}) r ON q.run_id = r.run_id")[0]["value"]
    return {"rows": _one(lake, f"SELECT count(*) AS value FROM {name}"), "new_in_last_run": newest}


def _alerts(lake: Lakehouse) -> list[Found]:
    """Return the alerts of the run that was measured last."""
    return _rows(lake, alerts_statement(lake.name(PIPELINE_METRICS)))


def alerts_statement(name: str) -> str:
    """Return the statement that finds the alerts of the run that was measured last: ``run_id``, ``alert``, ``value``.

    :param name: the metrics' name in SQL.
    """
    measured = f"{name} WHERE stage = 'run' AND metric = 'records'"
    last = f"SELECT run_id FROM {measured} ORDER BY measured_at DESC, run_id DESC LIMIT 1"
    return (
        f"SELECT m.run_id, m.label AS alert, m.value FROM {name} m JOIN ({last}) l ON m.run_id = l.run_id"
        " WHERE m.metric = 'alert' ORDER BY m.label"
    )


def _one(lake: Lakehouse, statement: str) -> int:
    return int(_rows(lake, statement)[0]["value"])


def _rows(lake: Lakehouse, statement: str) -> list[Found]:
    return list(lake.sql(statement).toArrow().to_pylist())
