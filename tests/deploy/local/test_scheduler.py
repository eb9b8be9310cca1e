"""The scheduler: at its time, after a kill, and no two of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from entity_matching.deploy import schedule
from entity_matching.deploy.local.deployed import Deployed
from entity_matching.deploy.local.records import DONE, FAILED, KILLED, RunRecord, Runs
from entity_matching.deploy.local.runner import CATCH_UP, SCHEDULE
from entity_matching.deploy.local.scheduler import is_missed, serve
from entity_matching.deploy.schedule import RunningScheduler
from entity_matching.errors import EntityMatchingError

JOB = "nightly"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AT_TWO = "0 0 2 * * ?"
Deploy = Callable[..., Deployed]
Until = Callable[..., Any]


def _ran(home: Path, at: datetime, status: str = DONE) -> None:
    runs = Runs(home)
    with runs.open(RunRecord(f"{at:%Y%m%dT%H}", JOB, "Nightly", SCHEDULE, at.isoformat(), 1, status)):
        pass


@pytest.mark.parametrize(
    ("since", "ran", "status", "missed"),
    [
        (timedelta(hours=1), None, DONE, False),  # deployed after two o'clock
        (timedelta(days=3), None, DONE, True),
        (timedelta(days=3), timedelta(hours=10), DONE, False),
        (timedelta(days=3), timedelta(hours=11), DONE, True),  # ran at one, was to run at two
        (timedelta(days=3), timedelta(hours=10), FAILED, False),
        (timedelta(days=3), timedelta(hours=10), KILLED, True),
    ],
)
def test_what_was_missed_is_told_from_the_records(
    deploy: Deploy, since: timedelta, ran: timedelta | None, status: str, missed: bool
) -> None:
    deployed = deploy(AT_TWO, since=(NOON - since).isoformat())
    if ran is not None:
        _ran(deployed.home, NOON - ran, status)
    assert is_missed(deployed, JOB, NOON) is missed


@pytest.mark.spark
def test_a_job_runs_at_its_time_and_a_scheduler_that_was_killed_catches_up_once(deploy: Deploy, until: Until) -> None:
    deployed = deploy("*/3 * * * * ?", since=datetime.now(UTC).isoformat())
    home, runs = deployed.home, Runs(deployed.home)
    running = schedule.start(home, os.environ)
    assert schedule.start(home, os.environ) == running  # the same one
    # on a busy machine the first may be missed before it has started, and caught up
    first = until(lambda: next((run for run in runs.all() if (run.status, run.trigger) == (DONE, SCHEDULE)), None))
    assert first.figures("only")["catalog"] == "entity_matching"
    with pytest.raises(EntityMatchingError, match="runs already"):
        serve(home, to_file=False)
    deploy("0 0 0 1 1 ?", since=datetime.now(UTC).isoformat())  # is taken over, without being started again
    until(lambda: "-01-01T00:00:00" in schedule.log_of(home).read_text())
    time.sleep(1.5)  # for a run that has begun just before, and is not written down yet
    until(lambda: all(run.status == DONE for run in runs.all()))
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: RunningScheduler.find(home) is None)
    # while no scheduler ran, it was to run
    yearly = deploy("0 0 0 1 1 ?", since="2025-06-01T00:00:00+00:00")
    for run in runs.all():
        run.started_at = "2025-07-01T00:00:00+00:00"
        runs.write(run)

    def later() -> list[RunRecord]:
        return [run for run in runs.all() if run.started_at > "2026"]

    again = schedule.start(home, os.environ)
    assert again.pid != running.pid
    caught = until(lambda: next((run for run in later() if (run.status, run.trigger) == (DONE, CATCH_UP)), None))
    assert datetime.fromisoformat(caught.started_at) > datetime.fromisoformat(yearly.deployed_at)
    assert [run.trigger for run in later()].count(CATCH_UP) == 1
    assert schedule.stop(home) is not None and RunningScheduler.find(home) is None
    assert schedule.stop(home) is None


@pytest.mark.spark
def test_a_run_that_is_killed_is_caught_up_when_it_is_deployed_again(deploy: Deploy, until: Until) -> None:
    deployed = deploy("*/4 * * * * ?", since=datetime.now(UTC).isoformat())
    home, runs = deployed.home, Runs(deployed.home)
    schedule.start(home, os.environ)
    run = until(lambda: next((run for run in runs.all() if run.tasks), None))
    deploy("0 0 0 1 1 ?", since=datetime.now(UTC).isoformat())  # not again by itself
    os.kill(run.pid, signal.SIGKILL)
    killed = until(lambda: next((one for one in runs.all() if one.status == KILLED), None))
    assert killed.run_id == run.run_id
    schedule.stop(home)
    schedule.start(home, os.environ)  # what deploying phase 3 again does
    caught = until(lambda: next((one for one in runs.all() if one.trigger == CATCH_UP and one.status == DONE), None))
    assert caught.started_at > run.started_at
    assert {one.run_id: one.status for one in runs.all()}[run.run_id] == KILLED
