"""Phases deployed to a workspace that is played: what is there afterwards, whatever went wrong."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import yaml

P1 = {"setup_unity_catalog", "train_ditto_model"}
P2 = P1 | {"ditto_matcher"}
P3 = P2 | {"entity_matching_pipeline", "adhoc_entity_matching"}
PHASES = {1: P1, 2: P2, 3: P3}


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_first_deploys_and_repeats(project: Any, phase: int) -> None:
    project.up_to(phase)
    before = project.space["jobs"], project.space["endpoints"]
    assert project.managed == PHASES[phase]
    assert project.phase_in_place == phase and project.leftovers == []
    assert project.memory["phase"] == phase and project.memory["unfinished"] is None
    done = project.deploy(phase)
    assert done.code == 0
    assert "create" not in done.out
    assert (project.space["jobs"], project.space["endpoints"]) == before
    assert project.phase_in_place == phase


def test_the_names_and_the_model_are_the_guides(project: Any) -> None:
    project.up_to(3)
    names = {job["name"] for job in project.space["jobs"].values()}
    ends = ("Setup Unity Catalog", "Train Ditto Model", "Production Pipeline", "Ad-hoc Run")
    assert names == {f"[dev] Entity Matching - {end}" for end in ends}
    served = project.space["endpoints"]["ditto-em-dev"]["config"]["served_entities"][0]
    assert served["entity_name"] == "first_last_entity_matching_dev.models.entity_matching_ditto"
    assert str(served["entity_version"]) == "1"


def test_a_new_champion_is_served_by_deploying_again(project: Any) -> None:
    project.up_to(2)
    project.train()
    done = project.deploy(2)
    assert "version 2 of the model" in done.out
    assert str(project.space["endpoints"]["ditto-em-dev"]["config"]["served_entities"][0]["entity_version"]) == "2"
    assert project.memory["model_version"] == "2"


def test_a_version_that_is_given_is_served_in_place_of_the_champion(project: Any) -> None:
    project.up_to(1)
    project.train()
    assert project.deploy(2, "--yes", "--var", "model_version=1").code == 0
    assert str(project.space["endpoints"]["ditto-em-dev"]["config"]["served_entities"][0]["entity_version"]) == "1"


@pytest.mark.parametrize(("deployed", "wanted"), [(0, 2), (0, 3), (1, 3)])
def test_a_phase_cannot_be_skipped(project: Any, deployed: int, wanted: int) -> None:
    project.train()
    project.up_to(deployed)
    before = project.space["jobs"]
    done = project.deploy(wanted)
    assert done.code == 1
    assert f"Deploy phase {deployed + 1} first: ./deploy-phase.sh {deployed + 1} dev" in done.err
    assert project.space["jobs"] == before
    assert project.phase_in_place == (deployed or None)


@pytest.mark.parametrize("trained", [False, True])
def test_without_a_champion_there_is_no_endpoint(project: Any, trained: bool) -> None:
    project.deploy(1)
    if trained:  # a model, but none that was promoted
        project.train()
        space = project.fake.Workspace(project.folder)
        space.data["models"]["first_last_entity_matching_dev.models.entity_matching_ditto"]["aliases"] = {}
        space.save()
    done = project.deploy(2)
    assert done.code == 1
    assert "no model registered as first_last_entity_matching_dev.models.entity_matching_ditto" in done.err
    assert "run phase 1's train_ditto_model first" in done.err
    assert project.space["endpoints"] == {} and project.phase_in_place == 1


def unpause(project: Any) -> None:
    """Let the pipeline run by its schedule, as somebody does in the workspace."""
    space = project.fake.Workspace(project.folder)
    space.data["jobs"][project.jobs["Production Pipeline"]]["schedule"]["pause_status"] = "UNPAUSED"
    space.save()


def test_rolling_back_keeps_what_it_drops_and_coming_back_takes_the_same(project: Any) -> None:
    project.up_to(3)
    unpause(project)
    ids = project.jobs
    done = project.deploy(2)
    assert done.code == 0 and "keep aside" in done.out and "DELETE" not in done.out
    assert project.jobs == ids, "nothing is deleted"
    assert project.managed == P2 and project.phase_in_place == 2
    assert project.space["jobs"][ids["Production Pipeline"]]["schedule"]["pause_status"] == "PAUSED"
    kept = project.memory["kept"]["jobs.entity_matching_pipeline"]
    assert (kept["id"], kept["pause_status"]) == (ids["Production Pipeline"], "UNPAUSED")

    assert project.deploy(1).code == 0
    assert "ditto-em-dev" in project.space["endpoints"] and project.managed == P1
    assert set(project.memory["kept"]) == {
        "jobs.entity_matching_pipeline", "jobs.adhoc_entity_matching", "model_serving_endpoints.ditto_matcher",
    }  # fmt: skip

    done = project.deploy(2)
    assert done.code == 0 and "take back" in done.out
    done = project.deploy(3)
    assert done.code == 0 and "was running by its schedule" in done.out
    assert project.jobs == ids and len(project.space["jobs"]) == 4, "no second copy"
    assert project.managed == P3 and project.memory["kept"] == {}


def test_two_steps_back_and_two_forward_at_once(project: Any) -> None:
    project.up_to(3)
    ids = project.jobs
    assert project.deploy(1).code == 0
    assert project.managed == P1 and project.jobs == ids
    assert project.deploy(3).code == 0
    assert project.managed == P3 and project.jobs == ids and len(project.space["jobs"]) == 4


def test_allow_delete_names_what_is_lost_and_deletes(project: Any) -> None:
    project.up_to(3)
    done = project.deploy(1, "--yes", "--allow-delete")
    assert done.code == 0
    assert done.out.count("DELETE") == 3
    assert "history of its runs" in done.out and "stops answering" in done.out
    assert len(project.space["jobs"]) == 2 and project.space["endpoints"] == {}
    assert project.memory["kept"] == {}


def test_allow_delete_deletes_what_was_kept_aside_before(project: Any) -> None:
    project.up_to(3)
    project.deploy(2)
    done = project.deploy(2, "--plan", "--allow-delete")
    assert done.out.count("DELETE") == 2 and len(project.space["jobs"]) == 4
    assert project.deploy(2, "--yes", "--allow-delete").code == 0
    assert len(project.space["jobs"]) == 2 and project.managed == P2 and project.memory["kept"] == {}


def test_what_was_kept_and_has_been_deleted_by_hand_is_made_anew(project: Any) -> None:
    project.up_to(3)
    project.deploy(2)
    space = project.fake.Workspace(project.folder)
    del space.data["jobs"][project.jobs["Production Pipeline"]]
    space.save()
    done = project.deploy(3)
    assert done.code == 0 and "is not there any more" in done.err
    assert project.managed == P3 and len(project.space["jobs"]) == 4 and project.memory["kept"] == {}


def test_from_another_machine_nothing_is_made_twice(project: Any) -> None:
    project.up_to(3)
    ids = project.jobs
    project.deploy(1)
    (project.root / ".entity-matching" / "deployments" / "dev.json").unlink()
    assert project.deploy(2).code == 0
    assert project.deploy(3).code == 0
    assert project.jobs == ids and len(project.space["jobs"]) == 4 and len(project.space["endpoints"]) == 1


def test_another_users_jobs_are_left_alone_and_their_endpoint_is_in_the_way(project: Any) -> None:
    project.up_to(3)
    space = project.fake.Workspace(project.folder)
    space.data["user"] = "another@company.com"
    space.data["models"] |= {"another_entity_matching_dev.models.entity_matching_ditto": {"aliases": {"champion": 1}}}
    space.save()
    (project.root / ".entity-matching" / "deployments" / "dev.json").unlink()
    assert project.deploy(1).code == 0
    assert len(project.space["jobs"]) == 6
    done = project.deploy(2)
    assert done.code == 1 and "made by first.last@company.com" in done.err


@pytest.mark.parametrize("what", ["validate", "plan", "summary", "network:plan", "network:summary", "lock", "deploy"])
@pytest.mark.parametrize("deployed", [0, 2])
def test_after_a_failure_all_is_as_before_and_repeating_it_works(project: Any, what: str, deployed: int) -> None:
    project.up_to(deployed)
    before = project.space["jobs"], project.managed
    project.fail(what)
    done = project.deploy(deployed + 1)
    assert done.code == 1 and "Traceback" not in done.err
    assert ("cannot be reached" in done.err) == what.startswith("network")
    assert ("--force-lock" in done.err) == (what == "lock")
    assert (project.space["jobs"], project.managed) == before
    assert project.phase_in_place == (deployed or None) and project.leftovers == []
    assert (project.memory.get("phase") or 0) == deployed
    project.fail()
    assert project.deploy(deployed + 1).code == 0
    assert project.managed == PHASES[deployed + 1]


@pytest.mark.parametrize("after", [0, 1])
def test_a_deploy_that_failed_half_way_goes_on_from_there(project: Any, after: int) -> None:
    project.up_to(2)
    project.fail(f"deploy:{after}")
    done = project.deploy(3)
    assert done.code == 1 and "500 Internal Server Error" in done.err
    assert len(project.space["jobs"]) == 2 + after
    assert project.phase_in_place == 2 and project.leftovers == []
    assert (project.memory["phase"], project.memory["unfinished"]) == (2, 3)
    project.fail()
    done = project.deploy(3)
    assert done.code == 0 and "did not end well" in done.err
    assert len(project.space["jobs"]) == 4 and project.managed == P3
    assert (project.memory["phase"], project.memory["unfinished"]) == (3, None)


@pytest.mark.parametrize("what", ["unbind", "jobs", "deploy:0", "deploy"])
@pytest.mark.parametrize("then", [2, 3])
def test_a_rollback_that_failed_half_way_loses_nothing(project: Any, what: str, then: int) -> None:
    project.up_to(3)
    unpause(project)
    ids = project.jobs
    project.train()  # so that there is something to deploy
    project.fail(what)
    assert project.deploy(2).code == 1
    assert project.phase_in_place == 3 and project.jobs == ids
    project.fail()
    assert project.deploy(then).code == 0
    assert project.jobs == ids and len(project.space["jobs"]) == 4
    assert project.managed == PHASES[then]
    if then == 2:
        assert project.memory["kept"]["jobs.entity_matching_pipeline"]["pause_status"] == "UNPAUSED"


@pytest.mark.parametrize("what", ["bind", "deploy"])
@pytest.mark.parametrize("then", [2, 3])
def test_coming_back_that_failed_half_way_loses_nothing(project: Any, what: str, then: int) -> None:
    project.up_to(3)
    ids = project.jobs
    project.deploy(2)
    project.fail(what)
    assert project.deploy(3).code == 1
    assert project.phase_in_place == 2
    project.fail()
    assert project.deploy(then).code == 0
    assert project.jobs == ids and len(project.space["jobs"]) == 4
    assert project.managed == PHASES[then]
    assert (project.memory["kept"] == {}) == (then == 3)


def test_what_changed_after_the_plan_was_shown_is_not_deployed(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.up_to(3)

    def somebody_else(*_question: Any, **_options: Any) -> bool:
        space = project.fake.Workspace(project.folder)
        del space.data["endpoints"]["ditto-em-dev"]
        space.save()
        return True

    monkeypatch.setattr("typer.confirm", somebody_else)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    done = project.command("deploy", "2", "-t", "dev", "--root", project.root)
    assert done.code == 1 and "has changed since the plan was shown" in done.err
    assert project.space["endpoints"] == {} and project.phase_in_place == 3


def test_another_deployment_in_between_makes_the_plan_stale(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rename_wheel(project, False)
    project.up_to(1)

    def somebody_else(*_question: Any, **_options: Any) -> bool:
        space = project.fake.Workspace(project.folder)
        next(iter(space.data["states"].values()))["serial"] += 1
        space.save()
        return True

    monkeypatch.setattr("typer.confirm", somebody_else)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    done = project.command("deploy", "2", "-t", "dev", "--root", project.root)
    assert done.code == 1 and "changed since the plan was made" in done.err
    assert project.space["endpoints"] == {} and project.phase_in_place == 1


@pytest.mark.parametrize(
    ("version", "renamed", "saved"), [("1.27.0", False, True), ("1.27.0", True, False), ("1.13.0", False, False)]
)
def test_the_wheel_is_uploaded_whatever_the_program_does(
    project: Any, version: str, renamed: bool, saved: bool
) -> None:
    rename_wheel(project, renamed)
    project.environ.setenv("FAKE_DATABRICKS_VERSION", version)
    project.up_to(2)
    assert project.space["wheel"] is True and project.space["planned"] is saved
    assert project.managed == P2


def rename_wheel(project: Any, renamed: bool) -> None:
    """Let the wheel have a new name at each build, or not."""
    path = project.root / "resources" / "targets.yml"
    tree = yaml.safe_load(path.read_text())
    tree["artifacts"]["wheel"]["dynamic_version"] = renamed
    path.write_text(yaml.safe_dump(tree))


def test_an_endpoint_that_would_be_replaced_needs_leave(project: Any) -> None:
    project.up_to(2)
    path = project.root / "resources" / "model_serving.yml"
    path.write_text(path.read_text().replace("name: ditto-em-${bundle.target}", "name: ditto-${bundle.target}"))
    done = project.deploy(2)
    assert done.code == 1 and "--allow-delete" in done.err and "ditto-em-dev" in project.space["endpoints"]
    assert project.deploy(2, "--yes", "--allow-delete").code == 0
    assert list(project.space["endpoints"]) == ["ditto-dev"]


def test_the_plan_alone_changes_nothing(project: Any) -> None:
    project.up_to(1)
    before = project.space
    done = project.deploy(2, "--plan", "--json")
    told = json.loads(done.out)
    assert done.code == 0 and told["deployed"] is False
    actions = {step["key"]: step["action"] for step in told["steps"]}
    assert actions["model_serving_endpoints.ditto_matcher"] == "create"
    assert {**project.space, "calls": []} == {**before, "calls": []}
    assert project.phase_in_place == 1
