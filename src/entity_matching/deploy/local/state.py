"""How a deployment to this machine stands."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from entity_matching.deploy.bundle import LOCAL
from entity_matching.deploy.local.deployed import Deployed
from entity_matching.deploy.local.endpoint import settings_of
from entity_matching.deploy.local.records import Runs
from entity_matching.deploy.local.scheduler import cron_of
from entity_matching.deploy.remembered import Remembered
from entity_matching.deploy.schedule import RunningScheduler
from entity_matching.serving.targets import Place

State = dict[str, Any]


def local_state(home: Path, environment: Mapping[str, str]) -> State | None:
    """Return how the deployment to a home stands; ``None`` if there is none. Times are ISO 8601.

    :returns: ``phase``, ``unfinished``, ``deployed_at``, ``root``, ``catalog``, ``kept`` (names of what is kept aside),
        ``jobs`` (see :func:`job_state`), ``endpoint`` (``None`` if the phase has none) with ``latency_ms``, the
        milliseconds until it said that it is ready; and ``scheduler``, its process if it runs.
    """
    deployed = Deployed.load(home)
    if deployed is None:
        return None
    memory, runs = Remembered.load(home, LOCAL), Runs(home)
    latest: dict[str, Any] = {}
    for run in runs.all():
        latest.setdefault(run.job, {"run_id": run.run_id, "status": run.status, "started_at": run.started_at})
    scheduler = RunningScheduler.find(home)
    return {
        "target": LOCAL,
        "phase": deployed.phase,
        "unfinished": memory.unfinished,
        "deployed_at": deployed.deployed_at,
        "root": str(deployed.root),
        "catalog": deployed.catalog,
        "kept": [thing.name for thing in memory.kept.values()],
        "jobs": [
            job_state(key, str(job.get("name", key)), job.get("schedule"), latest.get(key), datetime.now(UTC))
            for key, job in deployed.jobs.items()
        ],
        "endpoint": _endpoint(deployed, environment) if deployed.endpoints else None,
        "scheduler": None if scheduler is None else scheduler.pid,
        "scheduled": bool(deployed.schedules),
    }


def job_state(key: str, name: str, schedule: Mapping[str, Any] | None, last: State | None, now: datetime) -> State:
    """Return how a job stands.

    :returns: ``job``, ``name``, ``cron``, ``paused``, ``last`` (``run_id``, ``status``, ``started_at``) and ``next``.
    """
    paused = schedule is not None and schedule.get("pause_status", "UNPAUSED") == "PAUSED"
    following = cron_of(schedule).next_times(now, 1) if schedule and not paused else []
    return {
        "job": key,
        "name": name,
        "cron": None if schedule is None else schedule.get("quartz_cron_expression"),
        "paused": paused,
        "last": last,
        "next": following[0].isoformat() if following else None,
    }


def _endpoint(deployed: Deployed, environment: Mapping[str, str]) -> State:
    began = time.perf_counter()
    found = Place(LOCAL, settings_of(deployed)).status(environment)
    if found["status"] in ("ready", "outdated"):
        found["latency_ms"] = round((time.perf_counter() - began) * 1000, 1)
    return found
