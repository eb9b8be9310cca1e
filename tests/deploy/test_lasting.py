"""What a deployment was given by ``--var`` holds for the next one to the same target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from entity_matching.deploy.lasting import lasting, to_remember

UNPAUSED = "pipeline_pause_status=UNPAUSED"


@pytest.fixture
def status(project: Any) -> Any:
    """Return what gives the pause status of the pipeline's schedule."""

    def found() -> str:
        return str(project.space["jobs"][project.jobs["Production Pipeline"]]["schedule"]["pause_status"])

    return found


def test_what_was_given_once_holds_until_another_value_is_given(project: Any, status: Any) -> None:
    project.up_to(2)
    assert project.deploy(3, "--yes", "--var", UNPAUSED).code == 0 and status() == "UNPAUSED"
    assert project.memory["variables"] == {"pipeline_pause_status": "UNPAUSED"}
    done = project.deploy(2)
    assert f"As deployed before: {UNPAUSED}" in done.err
    assert project.deploy(3).code == 0 and status() == "UNPAUSED"
    assert project.deploy(3, "--yes", "--var", "pipeline_pause_status=PAUSED").code == 0 and status() == "PAUSED"
    assert project.memory["variables"] == {"pipeline_pause_status": "PAUSED"}


def test_it_can_be_left_out_again(project: Any) -> None:
    project.up_to(2)
    project.deploy(3, "--yes", "--var", UNPAUSED)
    done = project.deploy(3, "--yes", "--forget-vars")
    assert done.code == 0 and "As deployed before" not in done.err and project.memory["variables"] == {}


def test_a_look_at_the_plan_keeps_nothing(project: Any) -> None:
    project.up_to(1)
    assert project.deploy(1, "--plan", "--var", "notification_email=a@b.org").code == 0
    assert project.memory["variables"] == {}


def test_the_data_of_a_deployment_is_found_after_it_was_destroyed(project: Any) -> None:
    assert project.deploy(1, "--yes", "--var", "catalog_name=mine").code == 0
    space = project.fake.Workspace(project.folder)
    space.data["catalogs"]["mine"] = {"gold": ["matched_entities"]}
    space.save()
    root = ("-t", "dev", "--root", project.root)
    assert "the catalog mine" in project.command("destroy", "--yes", *root).out
    assert project.memory["variables"] == {"catalog_name": "mine"} and project.memory["phase"] is None
    done = project.command("destroy-data", "--yes", "--confirm", "mine", *root)
    assert done.code == 0 and project.space["catalogs"] == {} and project.memory == {}


def test_what_is_given_now_goes_before(project: Any) -> None:
    before = {name: "old" for name in ("readers", "source_data", "labels_data", "job_environment", "gone")}
    own = project.root / ".databricks" / "bundle" / "dev" / "variable-overrides.json"
    own.parent.mkdir(parents=True)
    own.write_text(json.dumps({"labels_data": "own"}))
    environment = {"BUNDLE_VAR_source_data": "named"}
    assert lasting(project.root, "dev", before, {"readers": "new"}, environment) == {"job_environment": "old"}
    assert lasting(Path("/nowhere"), "dev", {}, {}, {}) == {}, "nothing is read where nothing is remembered"


def test_the_version_of_the_model_is_asked_for_each_time() -> None:
    assert to_remember({"model_version": "3", "readers": "all"}) == {"readers": "all"}
