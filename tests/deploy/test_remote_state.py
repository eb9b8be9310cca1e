"""The state of a deployment to a workspace that is played."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from entity_matching.deploy import remote_state
from entity_matching.deploy.bundle import Bundle, User, load
from entity_matching.deploy.remembered import Kept, Remembered
from entity_matching.deploy.remote_state import RemoteState
from entity_matching.lakehouse.tables import TABLES

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT = int(NOW.timestamp() * 1000)
QUANTILES = """
# TYPE request_latency_ms summary
request_latency_ms{endpoint="e",quantile="0.5"} 12.5
request_latency_ms{endpoint="e",quantile="0.99"} 80
"""
HISTOGRAM = """
request_latency_ms_bucket{le="10"} 1
request_latency_ms_sum{endpoint="e"} 90
request_latency_ms_count{endpoint="e"} 3
"""


class Schedule:
    """A schedule as the SDK has it."""

    def __init__(self, status: str) -> None:
        self.status = status

    def as_dict(self) -> dict[str, str]:
        """Return it as a dictionary."""
        return {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": self.status}


def _enum(value: str) -> Any:
    return SimpleNamespace(value=value)


class Statements:
    """Answers statements; the first time with 'still running'."""

    def __init__(self) -> None:
        self.warehouses: list[str] = []
        self.asked: list[str] = []

    def execute_statement(self, *, statement: str, warehouse_id: str, wait_timeout: str) -> Any:
        """Take a statement."""
        self.warehouses.append(warehouse_id)
        self.asked.append(statement)
        return SimpleNamespace(status=SimpleNamespace(state=_enum("RUNNING"), error=None), statement_id=statement)

    def get_statement(self, statement: str) -> Any:
        """Answer it."""
        if "alert" in statement:
            columns, rows = ["run_id", "alert", "value"], [["r1", "drift of city", "0.5"]]
        elif "UNION ALL" in statement:
            columns = ["table", "rows", "newest"]
            rows = [[table.full_name, "7", "2026-03-02T02:00:00Z"] for table in TABLES]
        else:
            columns, rows = ["value"], [["4"]]
        schema = SimpleNamespace(columns=[SimpleNamespace(name=name) for name in columns])
        return SimpleNamespace(
            status=SimpleNamespace(state=_enum("SUCCEEDED"), error=None),
            manifest=SimpleNamespace(schema=schema),
            result=SimpleNamespace(data_array=rows),
        )


class Workspace:
    """Stands for a workspace in which phase 3 is deployed."""

    def __init__(self, metrics: str = QUANTILES) -> None:
        self.statement_execution = Statements()
        self.metrics = metrics
        self.jobs = SimpleNamespace(list=self._jobs, list_runs=self._runs)
        self.serving_endpoints = SimpleNamespace(get=self._endpoint, export_metrics=self._metrics)
        aliases = [SimpleNamespace(alias_name="champion", version_num=2)]
        self.registered_models = SimpleNamespace(get=lambda name, include_aliases: SimpleNamespace(aliases=aliases))
        self.model_versions = SimpleNamespace(list=lambda name: [self._version(1), self._version(2), self._version(10)])
        self.warehouses = SimpleNamespace(list=lambda: [_warehouse("w1", "STOPPED"), _warehouse("w2", "RUNNING")])
        me = SimpleNamespace(user_name="first.last@company.com", display_name="First")
        self.current_user = SimpleNamespace(me=lambda: me)

    def _jobs(self, name: str) -> Any:
        if "Ad-hoc" in name:
            return iter(())
        schedule = Schedule("UNPAUSED") if "Production" in name else None
        return iter([SimpleNamespace(job_id=1 if schedule else 2, settings=SimpleNamespace(schedule=schedule))])

    def _runs(self, job_id: int, limit: int) -> Any:
        state = SimpleNamespace(result_state=_enum("FAILED"), life_cycle_state=_enum("TERMINATED"))
        run = SimpleNamespace(run_id=9, state=state, start_time=AT)
        return iter([run] if job_id == 1 else [])

    def _endpoint(self, name: str) -> Any:
        served = [SimpleNamespace(entity_version="2")]
        state = SimpleNamespace(ready=_enum("READY"), config_update=_enum("NOT_UPDATING"))
        return SimpleNamespace(name=name, state=state, config=SimpleNamespace(served_entities=served))

    def _metrics(self, name: str) -> Any:
        return SimpleNamespace(contents=io.BytesIO(self.metrics.encode()))

    def _version(self, number: int) -> Any:
        return SimpleNamespace(version=number, status=_enum("READY"), created_at=AT)


def _warehouse(identifier: str, state: str) -> Any:
    return SimpleNamespace(id=identifier, state=_enum(state))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load(ROOT, 3, "dev", variables={"model_version": "2"}, user=User("first.last@company.com"), environment={})


@pytest.fixture
def state(bundle: Bundle, tmp_path: Path) -> RemoteState:
    memory = Remembered(tmp_path / "dev.json", phase=3, deployed_at="2026-03-01T00:00:00+00:00")
    return RemoteState(Workspace(), bundle, memory, clock=lambda: NOW, sleep=lambda _: None)


def test_everything_is_told(state: RemoteState) -> None:
    found = state.all()
    assert found["problems"] == [] and found["phase"] == 3
    jobs = {job["job"]: job for job in found["jobs"]}
    pipeline = jobs["entity_matching_pipeline"]
    assert pipeline["last"] == {"run_id": "9", "status": "failed", "started_at": "2026-03-02T12:00:00+00:00"}
    assert pipeline["next"] == "2026-03-03T02:00:00+00:00"
    assert jobs["train_ditto_model"]["last"] is None and jobs["adhoc_entity_matching"]["missing"]
    assert found["endpoint"] == {
        "name": "ditto-em-dev", "status": "ready", "update": "NOT_UPDATING", "model_version": "2", "latency_ms": 12.5,
    }  # fmt: skip
    assert [(one["version"], one["aliases"]) for one in found["models"]] == [("10", []), ("2", ["champion"]), ("1", [])]
    assert {row["table"]: row["rows"] for row in found["tables"]}["gold.matched_entities"] == 7
    assert found["review_backlog"] == 4
    assert found["alerts"] == [{"run_id": "r1", "alert": "drift of city", "value": 0.5}]
    assert json.dumps(found)


def test_the_warehouse_that_runs_counts_or_the_one_that_is_named(state: RemoteState) -> None:
    state.data()
    assert set(state.workspace.statement_execution.warehouses) == {"w2"}
    replace(state, warehouse="mine").data()
    assert state.workspace.statement_execution.warehouses[-1] == "mine"
    statement = state.workspace.statement_execution.asked[0]
    assert "`first_last_entity_matching_dev`.`gold`.`matched_entities`" in statement


@pytest.mark.parametrize(("metrics", "latency"), [(QUANTILES, 12.5), (HISTOGRAM, 30.0), ("", None)])
def test_the_latency_is_what_the_endpoint_measured(state: RemoteState, metrics: str, latency: float | None) -> None:
    told = replace(state, workspace=Workspace(metrics)).endpoint()
    assert told is not None and told["latency_ms"] == latency


def test_what_cannot_be_asked_for_says_why_and_the_rest_is_told(state: RemoteState) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("User does not have USE CATALOG\nat ...")

    state.workspace.registered_models = SimpleNamespace(get=refuse)
    state.workspace.warehouses = SimpleNamespace(list=lambda: [])
    found = state.all()
    assert found["models"] == [] and found["tables"] == [] and len(found["jobs"]) == 4
    assert found["problems"][0] == "model: User does not have USE CATALOG"
    assert "There is no SQL warehouse" in found["problems"][1] and "DATABRICKS_WAREHOUSE_ID" in found["problems"][1]


def test_a_schedule_that_is_paused_has_no_next_run(state: RemoteState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Schedule, "as_dict", lambda self: {"quartz_cron_expression": "0 0 2 * * ?", "pause_status": "PAUSED"}
    )
    job = {one["job"]: one for one in state.jobs()}["entity_matching_pipeline"]
    assert job["paused"] and job["next"] is None


def test_the_command_shows_it(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace()
    statements = workspace.statement_execution
    statements.execute_statement = lambda statement, **_: statements.get_statement(statement)  # type: ignore[method-assign]
    monkeypatch.setattr(remote_state, "connect", lambda target, profile: workspace)
    project.up_to(3)
    memory = Remembered.load(project.root / ".entity-matching", "dev")
    memory.keeping(Kept("jobs.old", "1", "Old Job"))
    done = project.command("status", "-t", "dev", "--root", project.root)
    assert done.code == 0, done.err
    for text in ("Phase 3 is deployed to dev", "Old Job", "Production Pipeline", "2026-03-02 12:00:00 failed",
                 "Endpoint ditto-em-dev: ready, serves version 2, answers in 12.5 ms.", "champion", "Alert: drift",
                 "4 decisions waiting"):  # fmt: skip
        assert text in done.out
