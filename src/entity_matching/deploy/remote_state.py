"""How a deployment to a Databricks workspace stands."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from entity_matching.deploy.bundle import Bundle
from entity_matching.deploy.local.state import State, job_state
from entity_matching.deploy.remembered import Remembered
from entity_matching.errors import EntityMatchingError, OptionalDependencyError
from entity_matching.jobs.state import alerts_statement, table_statement
from entity_matching.lakehouse.names import quoted
from entity_matching.lakehouse.tables import PIPELINE_METRICS, REVIEW_QUEUE, TABLES

WAREHOUSE_VARIABLE = "DATABRICKS_WAREHOUSE_ID"
"""Environment variable that names the SQL warehouse that counts rows."""
PATIENCE_S = 300.0
"""Seconds that a statement may take; a warehouse that is stopped needs minutes to start."""
_LATENCY = re.compile(r'^request_latency_ms\{[^}]*quantile="([0-9.]+)"[^}]*\} (\S+)', re.MULTILINE)
_SUM = re.compile(r"^request_latency_ms_(sum|count)(?:\{[^}]*\})? (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class RemoteState:
    """Asks a workspace.

    :param workspace: a ``databricks.sdk.WorkspaceClient``, or what is called like one.
    :param bundle: of the phase that is deployed.
    :param warehouse: id of the SQL warehouse that counts rows; by default one that runs, else any.
    """

    workspace: Any
    bundle: Bundle
    memory: Remembered
    warehouse: str | None = None
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    sleep: Callable[[float], None] = field(default=time.sleep)

    def all(self) -> State:
        """Return how everything stands: what cannot be asked for says why in ``problems``, and the rest is told.

        :returns: what :func:`entity_matching.deploy.local.state.local_state` tells, and ``models`` (versions, the
            newest first, with their aliases), ``tables``, ``review_backlog``, ``alerts``, ``problems``.
        """
        problems: list[str] = []
        told: State = {
            "target": self.bundle.target,
            "phase": self.memory.phase,
            "unfinished": self.memory.unfinished,
            "deployed_at": self.memory.deployed_at,
            "kept": [thing.name for thing in self.memory.kept.values()],
            "jobs": _asked(self.jobs, "jobs", problems, []),
            "endpoint": _asked(self.endpoint, "endpoint", problems, None),
            "models": _asked(self.models, "model", problems, []),
            "tables": [],
            "review_backlog": None,
            "alerts": [],
        }
        told.update(_asked(self.data, "tables", problems, {}))
        return {**told, "problems": problems}

    def jobs(self) -> list[State]:
        """Return how each job of the bundle stands."""
        found = []
        for key, job in self.bundle.jobs.items():
            name = str(job.get("name", key))
            there = list(self.workspace.jobs.list(name=name))
            if not there:
                found.append({**job_state(key, name, None, None, self.clock()), "missing": True})
                continue
            own = there[0]
            schedule = getattr(own.settings, "schedule", None)
            plain = None if schedule is None else schedule.as_dict()
            found.append(job_state(key, name, plain, self._last_run(own.job_id), self.clock()))
        return found

    def endpoint(self) -> State | None:
        """Return how the endpoint stands, with the latency that it measured itself; nobody is sent to wake it."""
        name = next((str(one.get("name")) for one in self.bundle.endpoints.values()), None)
        if name is None:
            return None
        found = self.workspace.serving_endpoints.get(name)
        state = found.state
        ready = _value(getattr(state, "ready", None)) == "READY"
        update = _value(getattr(state, "config_update", None))
        served = getattr(getattr(found, "config", None), "served_entities", None) or []
        status = "ready" if ready else "failed" if update == "UPDATE_FAILED" else "starting"
        return {
            "name": name,
            "status": status,
            "update": update,
            "model_version": ", ".join(str(one.entity_version) for one in served if one.entity_version) or None,
            "latency_ms": self._latency(name),
        }

    def models(self) -> list[State]:
        """Return the versions of the registered model, the newest first, with their aliases."""
        aliases: dict[str, list[str]] = {}
        model = self.workspace.registered_models.get(self.bundle.model_name, include_aliases=True)
        for alias in model.aliases or ():
            aliases.setdefault(str(alias.version_num), []).append(str(alias.alias_name))
        versions = sorted(self.workspace.model_versions.list(self.bundle.model_name), key=lambda one: -int(one.version))
        return [
            {
                "version": str(one.version),
                "status": _value(one.status),
                "aliases": sorted(aliases.get(str(one.version), [])),
                "registered_at": _iso(one.created_at),
            }
            for one in versions
        ]

    def data(self) -> State:
        """Return rows and freshness of every table, what waits for people, and alerts."""
        catalog = self.bundle.catalog
        warehouse = self.warehouse or self._any_warehouse()

        def name(table: Any) -> str:
            return quoted(catalog, *table.full_name.split("."))

        union = " UNION ALL ".join(
            f"SELECT '{table.full_name}' AS table, * FROM ({table_statement(table, name(table))})" for table in TABLES
        )
        tables = [{**row, "rows": int(row["rows"])} for row in self._rows(union, warehouse)]
        backlog = self._rows(f"SELECT count(*) AS value FROM {name(REVIEW_QUEUE)}", warehouse)
        alerts = self._rows(alerts_statement(name(PIPELINE_METRICS)), warehouse)
        return {
            "tables": tables,
            "review_backlog": int(backlog[0]["value"]),
            "alerts": [{**alert, "value": float(alert["value"])} for alert in alerts],
        }

    def _last_run(self, job_id: int) -> State | None:
        run = next(iter(self.workspace.jobs.list_runs(job_id=job_id, limit=1)), None)
        if run is None:
            return None
        state = run.state
        status = _value(getattr(state, "result_state", None)) or _value(getattr(state, "life_cycle_state", None))
        return {"run_id": str(run.run_id), "status": str(status).lower(), "started_at": _iso(run.start_time)}

    def _latency(self, name: str) -> float | None:
        """Return the median of the last minute, or the mean where there is no median; ``None`` if nobody asked."""
        contents = self.workspace.serving_endpoints.export_metrics(name).contents
        text = "" if contents is None else contents.read().decode("utf-8", errors="replace")
        quantiles = {float(quantile): float(value) for quantile, value in _LATENCY.findall(text)}
        if quantiles:
            return round(quantiles[min(quantiles, key=lambda one: abs(one - 0.5))], 1)
        sums: dict[str, float] = {}
        for kind, value in _SUM.findall(text):
            sums[kind] = sums.get(kind, 0.0) + float(value)
        return round(sums["sum"] / sums["count"], 1) if sums.get("count") else None

    def _any_warehouse(self) -> str:
        there = list(self.workspace.warehouses.list())
        if not there:
            raise EntityMatchingError(
                "There is no SQL warehouse to count rows with.", remedy=f"Name one in {WAREHOUSE_VARIABLE}."
            )
        running = [one for one in there if _value(one.state) == "RUNNING"]
        return str((running or there)[0].id)

    def _rows(self, statement: str, warehouse: str) -> list[State]:
        answer = self.workspace.statement_execution.execute_statement(
            statement=statement, warehouse_id=warehouse, wait_timeout="50s"
        )
        until = time.monotonic() + PATIENCE_S
        while _value(answer.status.state) in ("PENDING", "RUNNING") and time.monotonic() < until:
            self.sleep(2.0)
            answer = self.workspace.statement_execution.get_statement(answer.statement_id)
        if _value(answer.status.state) != "SUCCEEDED":
            why = getattr(answer.status.error, "message", None) or _value(answer.status.state)
            raise EntityMatchingError(f"A statement failed: {why}")
        names = [column.name for column in answer.manifest.schema.columns]
        return [dict(zip(names, row, strict=True)) for row in (answer.result.data_array or [])]


def connect(target: str, profile: str | None) -> Any:
    """Return a client of the workspace of a target.

    :raises OptionalDependencyError: if databricks-sdk is not installed.
    :raises EntityMatchingError: if there is no way to log in.
    """
    try:
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - optional
    except ImportError as error:
        raise OptionalDependencyError("databricks-sdk", extra="databricks", needed_for="Databricks") from error
    try:
        return WorkspaceClient(profile=profile)
    except ValueError as error:  # what the SDK raises of a configuration
        raise EntityMatchingError(
            f"There is no way to log in to Databricks: {str(error).splitlines()[0]}",
            remedy=f"databricks auth login --profile {profile or target}",
        ) from error


def _asked(question: Callable[[], Any], what: str, problems: list[str], otherwise: Any) -> Any:
    """Return an answer; where there is none, note why."""
    try:
        return question()
    except EntityMatchingError as error:
        problems.append(f"{what}: {error}")
    except Exception as error:  # noqa: BLE001 - the SDK raises many kinds; what it can tell otherwise still counts
        problems.append(f"{what}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    return otherwise


def _value(kind: Any) -> str | None:
    """Return the text of one of the SDK's enumerations."""
    return None if kind is None else str(getattr(kind, "value", kind))


def _iso(milliseconds: int | None) -> str | None:
    return None if not milliseconds else datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
