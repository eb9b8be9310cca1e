"""``entity-matching run`` of a bundle's jobs: what is said of them, without their tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from entity_matching.cli import deploy_local, deploying
from entity_matching.cli.console import Terminal
from entity_matching.cli.run_bundle import named
from entity_matching.deploy.local import runner
from entity_matching.deploy.local.deployed import Deployed
from entity_matching.deploy.local.records import DONE, FAILED, Attempt, RunRecord

Command = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    jobs = {"the_job": {"name": "[local] The Job", "description": "Does it."}}
    Deployed(tmp_path, tmp_path, 3, "c", "2026-01-01", jobs=jobs).write()
    return tmp_path


def _run(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    def run(self: Any, key: str, given: Any = None, *, trigger: str = "manual") -> RunRecord:
        tries = [Attempt(1, status, "2026-01-01T00:00:00", "2026-01-01T00:00:02", figures={"n": given})]
        message = None if status == DONE else "a: no space left"
        return RunRecord("r1", key, "[local] The Job", trigger, "2026-01-01T00:00:00", 1, status,
                         "2026-01-01T00:00:03", tasks={"a": tries}, message=message)  # fmt: skip

    monkeypatch.setattr(runner.Runner, "run", run)


def test_what_a_run_told_is_shown(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(monkeypatch, DONE)
    done = command("run", "the_job", "--home", home, "--json", "--source-table", "x")
    told = json.loads(done.out)
    assert done.code == 0 and told["tasks"] == {"a": {"n": {"source_table": "x"}}} and told["seconds"] == 3
    assert "[local] The Job: done" in done.err and str(home / "runs" / "r1") in done.err


def test_a_run_that_fails_ends_the_command_with_1(
    command: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(monkeypatch, FAILED)
    done = command("run", "the_job", "-t", "local", "--home", home)
    assert done.code == 1 and "a: no space left" in done.err and f"logs are in {home / 'runs' / 'r1'}" in done.err


def test_jobs_that_are_deployed_are_listed(command: Command, home: Path) -> None:
    assert json.loads(command("run", "--home", home, "--json").out)["deployed"] == {"the_job": "Does it."}


def test_status_looks_in_the_home_of_the_project_and_says_so(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENTITY_MATCHING_HOME", raising=False)
    (tmp_path / "databricks-phase1.yml").touch()
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    own, other = tmp_path / ".entity-matching", tmp_path / "other"
    done = command("status", "-t", "local")
    assert done.code == 1 and f"Looking in {own} " in done.err and f"Nothing is deployed to {own}." in done.out
    monkeypatch.setenv("ENTITY_MATCHING_HOME", str(other))
    jobs = {"the_job": {"name": "[local] The Job"}}
    Deployed(other, tmp_path, 1, "c", "2026-01-01", jobs=jobs).write()
    done = command("status")
    assert done.code == 0 and f"Looking in {other} " in done.err and "Phase 1 is deployed to local" in done.out
    assert f"Nothing is deployed to {own}" in command("status", "-t", "local", "--home", own).out


def test_what_ditto_adds_is_told_where_the_training_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"precision": 1.0, "recall": None, "f1": 0.97}
    trained = {"held_out": {"records": 240, "features": figures, "with_ditto": {**figures, "f1": 0.98}}}
    deploy_local.tell_ditto(trained, Terminal())
    told = capsys.readouterr().out
    assert "240 held-out records" in told and "0.970" in told and "0.980" in told
    deploy_local.tell_ditto({"held_out": {"records": 240, "features": figures}}, Terminal())
    deploy_local.tell_ditto({}, Terminal())
    assert capsys.readouterr().out == ""


def test_parameters_are_names_and_values() -> None:
    assert named(["--", "--a-b", "1", "--c=x=y", "--d="]) == {"a_b": "1", "c": "x=y", "d": ""}
    for wrong in (["x"], ["--a"], ["--=1"]):
        with pytest.raises(typer.BadParameter, match="expected --NAME VALUE"):
            named(wrong)


def test_without_its_packages_ditto_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(deploying.__file__).parents[3]
    monkeypatch.setattr(deploying, "_FOR_TRAINING", ("no_such_package",))
    site = deploying.Site.of(Terminal(), "local", root, tmp_path)
    deployment, bundles = site.here()
    assert deployment.variables == {}, "what only lacks a package is not kept for later"
    assert bundles.load(1).variables["training_ditto"] == "false"
    assert "no_such_package not installed" in capsys.readouterr().err
    deployment, bundles = deploying.Site.of(Terminal(), "local", root, tmp_path, var=["training_ditto=true"]).here()
    assert bundles.load(1).variables["training_ditto"] == "true"
    assert deployment.variables == {"training_ditto": "true"}
