"""Another run that goes on, and a home that is closed, are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entity_matching.jobs import pipeline
from entity_matching.jobs.state import last_runs
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse

if TYPE_CHECKING:
    from tests.jobs.conftest import Nights
    from tests.jobs.crash.conftest import Driver

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked and killed by signals"),
]

RUNS = "MERGE INTO gold.pipeline_runs"


def test_a_second_run_is_refused_or_waits_and_a_killed_one_holds_up_nobody(
    driver: Driver, nights: Nights, tmp_path: Path
) -> None:
    home, stop = nights.copy(tmp_path / "home"), tmp_path / "stop"
    first = ["--home", str(home), "--run-id", "first"]
    process = driver.start("run-pipeline", first, f"score-candidates {RUNS}", 1, "pause", file=str(stop))
    _wait_for(stop)
    command = [str(Path(sys.executable).with_name("entity-matching")), "run", "run-pipeline", "--", "--home", str(home)]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"Another run on the catalog 'entity_matching' is going on (process {process}, since" in _one_line(second)
    assert "--wait SECONDS" in _one_line(second)
    waits = [*command, "--wait", "120", "--run-id", "third"]
    with subprocess.Popen(waits, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as third:
        time.sleep(1)
        assert third.poll() is None
        stop.unlink()
        assert driver.end() == 0
        assert third.wait() == 0
    again = ["--home", str(home), "--run-id", "fourth"]
    fourth = driver.start("run-pipeline", again, f"score-candidates {RUNS}", 1, "pause", file=str(stop))
    _wait_for(stop)
    assert _statuses(home)["fourth"] == "running"
    os.kill(fourth, signal.SIGKILL)
    assert driver.end() == -signal.SIGKILL
    assert _statuses(home) == {"day-1": "done", "first": "done", "third": "done", "fourth": "killed"}
    pipeline.JOB.run(again)
    assert _statuses(home)["fourth"] == "done"


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _statuses(home: Path) -> dict[str, str]:
    with open_lakehouse(LakehouseSettings(home=home)) as lake:
        return {run["run_id"]: run["status"] for run in last_runs(lake, 10)}


def _one_line(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split())


CLOSED = """
import os, sys
from pathlib import Path
from entity_matching.jobs import pipeline
home = Path(sys.argv[2])
for path in (home, *home.rglob("*")):
    path.chmod(0o555 if path.is_dir() else 0o444)
if os.geteuid() == 0:  # whom nothing is closed to
    os.seteuid(65534)
pipeline.JOB.main(sys.argv[1:])
"""


def test_a_home_that_may_only_be_read_is_told(nights: Nights, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        Path(open_to_all).chmod(0o755)
        home = nights.copy(Path(open_to_all) / "home")
        command = [sys.executable, "-c", CLOSED, "--home", str(home)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for path in (home, *home.rglob("*")):
            path.chmod(0o755)
    assert done.returncode == 1
    assert f"{home}" in done.stderr and "Give yourself the right to write there" in _one_line(done)
    assert "Traceback" not in done.stderr
