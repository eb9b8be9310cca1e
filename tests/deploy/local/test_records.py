"""Records of runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from entity_matching.deploy.local.records import DONE, KILLED, RUNNING, Attempt, RunRecord, Runs

HOLD = """
import sys, time
from pathlib import Path
from entity_matching.deploy.local.records import Attempt, RunRecord, Runs
runs = Runs(Path(sys.argv[1]))
record = RunRecord("r1", "job", "Job", "manual", "2026-01-01T00:00:00+00:00", 1,
                   tasks={"a": [Attempt(1, "running", "2026-01-01T00:00:01+00:00")]})
with runs.open(record):
    print("held", flush=True)
    time.sleep(60)
"""


def _record(number: int, status: str = DONE, job: str = "job") -> RunRecord:
    return RunRecord(f"r{number}", job, "Job", "manual", f"2026-01-0{number}T00:00:00+00:00", 1, status)


def test_a_run_whose_process_is_killed_is_told_from_one_that_goes_on(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    runs = Runs(tmp_path)
    assert [run.status for run in runs.all()] == [RUNNING]
    assert runs.settle() == []
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [run.status for run in runs.all()] == [KILLED]
    assert [run.run_id for run in runs.settle()] == ["r1"]
    stored = json.loads((runs.folder_of("r1") / "run.json").read_text())
    assert stored["status"] == KILLED and stored["tasks"]["a"][0]["status"] == KILLED
    assert stored["finished_at"] == "2026-01-01T00:00:01+00:00"
    assert runs.settle() == []


def test_records_come_back_the_newest_first_and_one_that_is_damaged_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = Runs(tmp_path)
    for record in (_record(1), _record(3, job="other"), _record(2)):
        record.tasks["a"] = [Attempt(1, DONE, "t", figures={"n": 1})]
        with runs.open(record):
            pass
    (runs.folder / "broken").mkdir()
    (runs.folder / "broken" / "run.json").write_text("{")
    assert [run.run_id for run in runs.all()] == ["r3", "r2", "r1"]
    assert [run.run_id for run in runs.all("job")] == ["r2", "r1"]
    assert runs.all()[0].figures("a") == {"n": 1} and runs.all()[0].figures("b") == {}
    assert "broken" in caplog.text


def test_old_records_go(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for number in (1, 2, 3):
        with runs.open(_record(number)):
            pass
    runs.prune("job", keep=2)
    assert [run.run_id for run in runs.all()] == ["r3", "r2"]
    assert not runs.folder_of("r1").exists()
