from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from entity_matching.deploy import process
from entity_matching.deploy.databricks_cli import DatabricksCli, DatabricksCliError


def find(project: Any) -> DatabricksCli:
    """Return the program that the tests' PATH leads to."""
    return DatabricksCli.find(project.root, "dev", os.environ)


def test_without_the_program_it_is_said_which_and_how_to_get_it(project: Any, tmp_path: Path) -> None:
    project.environ.setenv("PATH", str(tmp_path / "empty"))
    done = project.deploy(1)
    assert done.code == 1
    assert "1.3.0 or later is needed, and is not on PATH" in done.err and "brew install databricks" in done.err


@pytest.mark.parametrize(("version", "fits"), [("0.18.0", False), ("1.2.9", False), ("1.3.0", True), ("2.0.0", True)])
def test_a_program_that_is_too_old_is_told_with_its_version(project: Any, version: str, fits: bool) -> None:
    project.environ.setenv("FAKE_DATABRICKS_VERSION", version)
    done = project.deploy(1, "--plan")
    assert (done.code == 0) == fits
    assert fits or (f"is {version}" in done.err and "1.3.0 or later" in done.err)
    assert fits or project.phase_in_place is None


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("Error: default auth: cannot configure default credentials", "not logged in"),
        ("Error: A new access token could not be retrieved because the refresh token is invalid", "not logged in"),
        ("Error: dial tcp 10.0.0.1:443: i/o timeout", "cannot be reached"),
        ("Error: plan serial 3 does not match state serial 4", "changed since the plan"),
        ("Error: PERMISSION_DENIED: User does not have CREATE CATALOG", "may not do this"),
        ("Error: Failed to acquire deployment lock: deploy lock acquired by me", "holds the lock"),
        ("Error: something nobody has seen before", "something nobody has seen before"),
    ],
)
def test_what_an_error_means(project: Any, monkeypatch: pytest.MonkeyPatch, said: str, meaning: str) -> None:
    cli = find(project)
    monkeypatch.setattr(process, "run", lambda *_, **__: process.Ended(1, "", said + "\n"))
    with pytest.raises(DatabricksCliError, match=meaning) as error:
        cli.plan()
    assert said.removeprefix("Error: ")[:20] in error.value.message, "what the program said is told, too"


def test_the_champion_is_a_version(project: Any) -> None:
    cli = find(project)
    assert cli.champion("a.models.b", "champion") is None
    project.train()
    model = "first_last_entity_matching_dev.models.entity_matching_ditto"
    assert cli.champion(model, "champion") == "1"
    assert cli.champion(model, "challenger") is None
    project.fail("network:model-versions")
    with pytest.raises(DatabricksCliError, match="cannot be reached"):
        cli.champion(model, "champion")


def test_a_lock_is_broken_when_that_is_said(project: Any) -> None:
    project.fail("lock")
    assert project.deploy(1).code == 1
    assert project.deploy(1, "--yes", "--force-lock").code == 0
