"""``entity-matching schedule``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entity_matching.deploy import schedule
from entity_matching.deploy.local.deployed import Deployed
from entity_matching.deploy.local.records import DONE, RunRecord, Runs
from entity_matching.deploy.schedule import RunningScheduler

Command = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    cron = {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "Europe/Berlin"}
    jobs: dict[str, dict[str, Any]] = {"nightly": {"schedule": cron}, "adhoc": {}}
    since = {"nightly": "2999-01-01T00:00:00+00:00"}
    Deployed(home, tmp_path, 3, "c", "2026-01-01", jobs=jobs, scheduled_since=since).write()
    return home


def test_it_is_started_looked_at_and_stopped(command: Command, home: Path) -> None:
    done = command("schedule", "status", "--home", home)
    assert done.code == 1 and "does not run" in done.out and "never" in done.out
    started = command("schedule", "start", "--home", home, "--json")
    try:
        running = RunningScheduler.find(home)
        assert started.code == 0 and running is not None and json.loads(started.out)["pid"] == running.pid
        with Runs(home).open(RunRecord("r1", "nightly", "N", "schedule", "2026-03-01T01:00:00+00:00", 1, DONE)):
            pass
        found = json.loads(command("schedule", "status", "--home", home, "--json").out)
        assert found["running"] and found["pid"] == running.pid
        (job,) = found["jobs"]
        assert (job["job"], job["words"], job["last"]["status"]) == ("nightly", "At 02:00, Europe/Berlin", DONE)
        assert job["next"][11:19] == "02:00:00"
        again = command("schedule", "start", "--home", home, "--json")
        assert json.loads(again.out)["pid"] == running.pid
    finally:
        stopped = command("schedule", "stop", "--home", home)
    assert "has stopped" in stopped.out and RunningScheduler.find(home) is None
    assert "does not run" in command("schedule", "stop", "--home", home).out


def test_without_a_deployment_there_is_nothing_to_schedule(command: Command, tmp_path: Path) -> None:
    done = command("schedule", "start", "--home", tmp_path)
    assert done.code == 1 and "Nothing is deployed" in done.err and schedule.RunningScheduler.find(tmp_path) is None


def test_one_in_the_foreground_keeps_others_away(command: Command, home: Path) -> None:
    with schedule.held(home):
        done = command("schedule", "start", "--foreground", "--home", home)
    assert done.code == 1 and "runs already (process" in done.err
