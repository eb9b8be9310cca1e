"""The three phases on this machine, from nothing to matched entities, and what becomes of them after kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.deploy import schedule
from entity_matching.deploy.local import endpoint
from entity_matching.deploy.local.deployed import Deployed
from entity_matching.deploy.local.records import DONE, KILLED, Runs
from entity_matching.deploy.schedule import RunningScheduler
from entity_matching.files import read_table, write_table
from entity_matching.lakehouse import open_lakehouse
from entity_matching.lakehouse.tables import MATCHED_ENTITIES
from entity_matching.serving.server import Running

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "companies"
PIPELINE = "entity_matching_pipeline"
QUICK = """
search: {limit: 8, threads: 1}
scorer: {trees: 20, learning_rate: 0.2, folds: 2, synthetic_records: 100, threads: 1}
"""
Until = Callable[..., Any]


@dataclass
class Site:
    """A home that is deployed to, with a small part of the example as its data."""

    home: Path
    data: Path
    root: Path = ROOT
    first: subprocess.CompletedProcess[str] | None = None

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run ``entity-matching`` as a user would."""
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=False, cwd=self.root, env=_ENVIRONMENT
        )

    def command(self, *arguments: str | Path) -> list[str]:
        """Return the command for a process."""
        call = "from entity_matching.cli.main import run; run()"
        return [sys.executable, "-c", call, *map(str, arguments), "--home", str(self.home)]

    def deploy(self, phase: str | int, *more: str | Path, port: int = 0) -> subprocess.CompletedProcess[str]:
        """Deploy."""
        values = {
            "training_ditto": "false", "training_settings": self.data / "quick.yml", "endpoint_port": port,
            "example_data": self.data, "source_data": self.data / "source.csv",
        }  # fmt: skip
        variables = [word for name, value in values.items() for word in ("--var", f"{name}={value}")]
        return self.run("deploy", str(phase), "-t", "local", *(more or ("--yes",)), *variables)

    def at(self, phase: int) -> None:
        """Deploy a phase, unless it is what is deployed."""
        while self.deployed.phase != phase:
            done = self.deploy(min(phase, self.deployed.phase + 1))
            assert done.returncode == 0, done.stderr

    @property
    def deployed(self) -> Deployed:
        """What is deployed."""
        return Deployed.find(self.home)

    @property
    def endpoint(self) -> Running | None:
        """The endpoint, if it runs."""
        return Running.find(endpoint.settings_of(self.deployed))

    @property
    def memory(self) -> dict[str, Any]:
        """What is remembered."""
        return dict(json.loads((self.home / "deployments" / "local.json").read_text()))

    def matched(self) -> dict[str, str]:
        """Return the decisions in gold."""
        with open_lakehouse(self.deployed.lakehouse) as lake:
            rows = lake.read(MATCHED_ENTITIES).select("source_id", "decision").toArrow().to_pylist()
        return {row["source_id"]: row["decision"] for row in rows}


_ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
_ENVIRONMENT.pop("ENTITY_MATCHING_HOME", None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small part of the example."""
    data = tmp_path_factory.mktemp("data")
    shutil.copy(EXAMPLE / "schema.yml", data)
    shutil.copy(EXAMPLE / "labels.csv", data)
    (data / "quick.yml").write_text(QUICK)
    labels = read_table(EXAMPLE / "labels.csv").slice(0, 60)
    write_table(labels, data / "labels.csv")
    reference, wanted = read_table(EXAMPLE / "reference.csv"), set(labels["company_id"].to_pylist())
    kept = [key in wanted or row % 10 == 0 for row, key in enumerate(reference["company_id"].to_pylist())]
    write_table(reference.filter(pa.array(kept)), data / "reference.csv")
    source, known = read_table(EXAMPLE / "source.csv"), set(labels["source_id"].to_pylist())
    write_table(source.filter(pa.array([k in known for k in source["source_id"].to_pylist()])), data / "source.csv")
    return data


@pytest.fixture(scope="module")
def site(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a home to which everything is deployed; a test may leave another phase behind."""
    made = Site(tmp_path_factory.mktemp("place") / "home", data)
    made.first = made.deploy("all")
    yield made
    _stop(made.home)


def _stop(home: Path) -> None:
    schedule.stop(home)
    if (deployed := Deployed.load(home)) is not None:
        endpoint.stop(deployed)


def test_a_phase_cannot_be_skipped_and_nothing_is_done_without_a_yes(data: Path, tmp_path: Path) -> None:
    site = Site(tmp_path / "home", data)
    done = site.deploy(2)
    assert done.returncode == 1 and "Phase 2 comes after phase 1, which is not deployed" in done.stderr
    done = site.deploy(1, "--plan")
    assert done.returncode == 0 and "Nothing was changed" in done.stdout and Deployed.load(site.home) is None
    done = subprocess.run(site.command("deploy", "1"), capture_output=True, text=True, check=False, cwd=ROOT,
                          env=_ENVIRONMENT, stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.returncode == 1 and "no terminal to ask at" in done.stderr
    assert site.deploy(1).returncode == 0
    done = site.deploy(2)
    assert done.returncode == 1 and "run phase 1's train_ditto_model first" in done.stderr
    done = site.run("run", PIPELINE)
    assert done.returncode == 1 and "It comes with phase 3: entity-matching deploy 3 -t local" in done.stderr


def test_all_phases_end_with_matched_entities_on_screen(site: Site) -> None:
    done = site.first
    assert done is not None and done.returncode == 0, done
    site.at(3)
    assert "Some of the matched entities" in done.stdout and "in all)" in done.stdout
    for step in ("phase 1: train_ditto_model", "phase 2: deploy", f"phase 3: {PIPELINE}", "phase 3: adhoc"):
        assert step in done.stdout
    assert "An ad-hoc run on 5 records (gold.adhoc_example)" in done.stdout
    assert "go on running" in done.stdout and "destroy -t local --yes --home" in done.stdout
    assert "ditto-em-local answers at http://127.0.0.1:" in done.stderr
    decisions = site.matched()
    assert len(decisions) == 60 and "match" in decisions.values()
    assert site.memory["phase"] == 3 and site.memory["unfinished"] is None and site.memory["model_version"] == "1"
    runs = [run for run in Runs(site.home).all() if run.trigger == "deployment"]
    assert len(runs) >= 2 and {run.status for run in runs} == {DONE}
    trained = (
        Runs(site.home).all("train_ditto_model")[-1].figures("train_ditto_model")
    )  # on labels, whose records must be there by then
    assert trained["evaluation"]["records"] > 0 and trained["pairs"]["label/train"] > 0
    assert site.endpoint is not None and RunningScheduler.find(site.home) is not None


def test_status_tells_of_all_of_it(site: Site) -> None:
    site.at(3)
    done = site.run("status", "-t", "local", "--json")
    found = json.loads(done.stdout)
    deployment = found["deployment"]
    assert (deployment["phase"], deployment["endpoint"]["status"]) == (3, "ready")
    assert deployment["endpoint"]["latency_ms"] > 0 and deployment["scheduler"] is not None
    jobs = {job["job"]: job for job in deployment["jobs"]}
    assert jobs["train_ditto_model"]["last"]["status"] == DONE and jobs[PIPELINE]["next"] is not None
    assert jobs["train_ditto_model"]["next"] is None
    assert found["model"]["version"] == "1" and found["review_backlog"] >= 0
    assert {row["table"]: row["rows"] for row in found["tables"]}["gold.matched_entities"] == 60


def test_an_endpoint_and_a_scheduler_that_were_killed_are_started_again(site: Site, until: Until) -> None:
    site.at(3)
    before, scheduler = site.endpoint, RunningScheduler.find(site.home)
    assert before is not None and scheduler is not None
    for pid in (before.pid, scheduler.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: site.endpoint is None and RunningScheduler.find(site.home) is None)
    assert site.deploy(3).returncode == 0
    after, again = site.endpoint, RunningScheduler.find(site.home)
    assert after is not None and after.ready and after.pid != before.pid
    assert again is not None and again.pid != scheduler.pid
    done = site.deploy(3)
    assert "runs already, and answers" in done.stderr
    assert site.endpoint == after and RunningScheduler.find(site.home) == again


def test_a_pipeline_that_was_killed_is_caught_up_by_deploying_again(site: Site, until: Until) -> None:
    site.at(3)
    decided, runs = site.matched(), Runs(site.home)
    before = {run.run_id for run in runs.all()}
    process = subprocess.Popen(site.command("run", PIPELINE), cwd=ROOT, env=_ENVIRONMENT, stderr=subprocess.DEVNULL)
    own = until(lambda: next((run for run in runs.all() if run.run_id not in before and len(run.tasks) > 1), None))
    process.send_signal(signal.SIGKILL)
    process.wait()
    task = own.tasks["exact_match"][-1]
    until(lambda: not _alive(task.pid))
    done = site.deploy(3)
    assert f"The run {own.run_id} of {PIPELINE} was killed" in done.stderr
    caught = until(lambda: next((run for run in runs.all() if run.trigger == "catch-up" and run.status == DONE), None))
    assert {run.run_id: run.status for run in runs.all()}[own.run_id] == KILLED
    assert [len(tries) for tries in caught.tasks.values()] == [1] * 5
    assert site.matched() == decided


def test_a_job_takes_its_parameters(site: Site, tmp_path: Path) -> None:
    site.at(3)
    out = tmp_path / "answer.csv"
    done = site.run("run", "adhoc_entity_matching", "-t", "local", "--output-table", out, "--filter=country = 'France'")
    assert done.returncode == 0, done.stderr
    assert 0 < read_table(out).num_rows < 60
    done = site.run("run", "adhoc_entity_matching", "--nonsense", "1")
    assert done.returncode == 1 and "It has: source_table, output_table, filter" in done.stderr


def test_going_back_keeps_what_it_drops_and_coming_back_takes_it_again(site: Site) -> None:
    site.at(3)
    done = site.deploy(2)
    assert done.returncode == 0 and "keep aside" in done.stdout
    assert "endpoint status -t local" in done.stdout and "minutes" not in done.stdout
    assert RunningScheduler.find(site.home) is None and site.endpoint is not None
    assert site.memory["kept"][f"jobs.{PIPELINE}"]["pause_status"] == "UNPAUSED"
    assert site.run("run", PIPELINE).returncode == 1
    assert site.deploy(1).returncode == 0
    assert site.endpoint is not None and site.endpoint.ready  # it goes on answering
    assert len(site.memory["kept"]) == 3
    done = site.deploy(3)
    assert done.returncode == 0, done.stderr
    assert "take back" in done.stdout and site.memory["kept"] == {}
    assert RunningScheduler.find(site.home) is not None
    site.run("run", PIPELINE)
    assert Runs(site.home).all(PIPELINE)
    done = site.deploy(2, "--yes", "--allow-delete")
    assert done.returncode == 0 and "DELETE" in done.stdout and site.memory["kept"] == {}
    assert Runs(site.home).all(PIPELINE) == []


def test_a_home_of_another_folder_is_refused(site: Site, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "resources", other / "resources")
    for path in ROOT.glob("databricks-phase?.yml"):
        shutil.copy(path, other)
    done = Site(site.home, site.data, other).deploy(1)
    assert done.returncode == 1 and f"holds phase {site.deployed.phase}, deployed from {ROOT}" in done.stderr


def test_two_deployments_at_once_are_refused(site: Site) -> None:
    from entity_matching.deploy.remembered import exclusive  # noqa: PLC0415 - only here

    with exclusive(site.home, "local"):
        done = site.deploy(2)
    assert done.returncode == 1 and "Another deployment to local is going on" in done.stderr


def test_a_port_in_use_is_told_and_put_right_by_another(site: Site) -> None:
    site.at(2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = site.deploy(2, port=port)
        assert done.returncode == 1 and f"port {port}" in done.stderr and "--var endpoint_port=N" in done.stderr
        assert site.memory["unfinished"] == 2
    done = site.deploy(2, port=port)
    assert done.returncode == 0, done.stderr
    assert site.endpoint is not None and site.endpoint.port == port and site.memory["unfinished"] is None


def test_a_port_in_use_is_told_before_all_else(data: Path, tmp_path: Path) -> None:
    site = Site(tmp_path / "home", data)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = site.deploy("all", port=taken.getsockname()[1])
    assert done.returncode == 1 and "--var endpoint_port=N" in done.stderr and Deployed.load(site.home) is None


def test_a_deployment_is_destroyed_and_its_data_only_when_asked_for(site: Site, tmp_path: Path, until: Until) -> None:
    site.at(3)
    copy = Site(Path(shutil.copytree(site.home, tmp_path / "home", ignore=shutil.ignore_patterns("*.lock"))), site.data)
    try:
        assert copy.deploy(3).returncode == 0
        done = copy.run("destroy-data", "--yes", "--confirm", "entity_matching")
        assert done.returncode == 1 and "Phase 3 is still deployed" in done.stderr
        running = copy.endpoint
        assert RunningScheduler.find(copy.home) is not None
        done = copy.run("destroy", "--yes")
        assert done.returncode == 0 and "What stays" in done.stdout, done.stderr
        assert running is not None and Deployed.load(copy.home) is None
        until(lambda: not _alive(running.pid))
        assert RunningScheduler.find(copy.home) is None
        tables = copy.home / "warehouse" / "entity_matching"
        assert tables.is_dir()
        done = copy.run("destroy-data", "--yes", "--confirm", "wrong")
        assert done.returncode == 1 and tables.is_dir()
        assert copy.run("destroy-data", "--yes", "--confirm", "entity_matching").returncode == 0
        assert not tables.exists()
    finally:
        _stop(copy.home)


def _alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    time.sleep(0.05)
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
