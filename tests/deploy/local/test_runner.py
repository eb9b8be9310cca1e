"""Jobs of what is deployed, run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from entity_matching.deploy.local import runner as runner_module
from entity_matching.deploy.local.deployed import Deployed
from entity_matching.deploy.local.records import DONE, FAILED, STOPPED, Attempt
from entity_matching.deploy.local.runner import Runner
from entity_matching.errors import EntityMatchingError, InputError

JOB = "nightly"
Deploy = Callable[..., Deployed]


class Graph:
    """Stands for a graph; notes what it was made with."""

    made: Any = None
    outcome: Any = DONE

    def __init__(
        self, tasks: Any, arguments: Any, folder: Path, cwd: Path, environment: Any, note: Any, *more: Any
    ) -> None:
        Graph.made = self
        self.tasks, self.arguments, self.folder, self.cwd = tasks, arguments, folder, cwd
        self.environment, self.note, self.timeout = environment, note, more[0]

    def run(self) -> dict[str, str]:
        """End as the test wants it."""
        if isinstance(Graph.outcome, BaseException):
            raise Graph.outcome
        message = None if Graph.outcome == DONE else "no space left"
        self.note("only", Attempt(1, Graph.outcome, "2026-01-01T00:00:00", "2026-01-01T00:00:02", message=message))
        return {"only": Graph.outcome}


@pytest.fixture(autouse=True)
def _played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "Graph", Graph)
    monkeypatch.setattr(Graph, "outcome", DONE)


def test_tasks_run_in_this_home_and_wait_for_others_on_the_catalog(deploy: Deploy) -> None:
    deployed = deploy(timeout_seconds=90)
    environment = {"DATABRICKS_RUNTIME_VERSION": "16", "PATH": os.environ["PATH"]}
    record = Runner(deployed, environment).run(JOB)
    assert Graph.made.arguments["only"] == [f"--run-id={record.run_id}", "--wait=3600"]
    assert Graph.made.environment["ENTITY_MATCHING_HOME"] == str(deployed.home)
    assert "DATABRICKS_RUNTIME_VERSION" not in Graph.made.environment
    assert (Graph.made.timeout, Graph.made.cwd) == (90, deployed.root)
    stored = json.loads((deployed.home / "runs" / record.run_id / "run.json").read_text())
    assert (stored["status"], stored["trigger"], stored["job"]) == (DONE, "manual", JOB)


def test_a_run_that_fails_says_which_task_and_why(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "outcome", FAILED)
    lines: list[str] = []
    record = Runner(deploy(), os.environ, lines.append).run(JOB)
    assert (record.status, record.message) == (FAILED, "only: no space left")
    assert lines == ["only failed in 2.0 s: no space left"]


def test_a_run_that_is_interrupted_says_so(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "outcome", SystemExit(130))
    runner = Runner(deploy(), os.environ)
    with pytest.raises(SystemExit):
        runner.run(JOB)
    assert [run.status for run in runner.runs.all()] == [STOPPED]


def test_no_more_run_at_once_than_may(deploy: Deploy) -> None:
    runner = Runner(deploy(max_concurrent_runs=1), os.environ)
    runner.run(JOB)
    with FileLock(runner.runs.folder / ".slots" / f"{JOB}.0.lock"):
        with pytest.raises(EntityMatchingError, match="1 run of 'nightly' already goes on"):
            runner.run(JOB)
        Runner(deploy(max_concurrent_runs=2), os.environ).run(JOB)


def test_a_job_that_queues_waits_for_the_other(deploy: Deploy) -> None:
    runner = Runner(deploy(queue={"enabled": True}), os.environ)
    runner.run(JOB)
    lock = FileLock(runner.runs.folder / ".slots" / f"{JOB}.0.lock")
    lock.acquire()
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if "waits" in text:
            lock.release()

    assert Runner(runner.deployed, os.environ, tell).run(JOB).status == DONE
    assert any("waits for it to end" in line for line in told)


def test_a_job_that_is_not_deployed_names_its_phase(deploy: Deploy) -> None:
    runner = Runner(deploy(), os.environ)
    with pytest.raises(EntityMatchingError, match="'nothing' is not deployed; phase 3 is. Jobs are: nightly"):
        runner.run("nothing")
    first = Deployed(runner.deployed.home, runner.deployed.root, 1, "entity_matching", "2026-01-01")
    with pytest.raises(EntityMatchingError, match="comes with phase 3: entity-matching deploy 3 -t local"):
        Runner(first, os.environ).run("entity_matching_pipeline")


def test_what_is_deployed_and_damaged_is_told(deploy: Deploy, tmp_path: Path) -> None:
    deployed = deploy("0 0 2 * * ?")
    assert Deployed.find(deployed.home) == deployed
    (deployed.home / "deployments" / "local.bundle.json").write_text("{")
    with pytest.raises(InputError, match=r"local.bundle.json: cannot be read .* deploy again"):
        Deployed.load(deployed.home)
    with pytest.raises(EntityMatchingError, match="Nothing is deployed .* entity-matching deploy 1 -t local"):
        Deployed.find(tmp_path / "elsewhere")
