"""A deployment destroyed, and after it, by a command of its own, its data."""

from __future__ import annotations

from typing import Any

import pytest

CATALOG = "first_last_entity_matching_dev"


def destroy(project: Any, *options: str) -> Any:
    """Destroy the deployment to dev."""
    return project.command("destroy", "-t", "dev", "--root", project.root, *options)


def destroy_data(project: Any, *options: str) -> Any:
    """Delete the catalog of dev."""
    return project.command("destroy-data", "-t", "dev", "--root", project.root, *options)


def set_up(project: Any) -> None:
    """Make the catalog with its tables, as the set-up job does."""
    space = project.fake.Workspace(project.folder)
    space.data["catalogs"][CATALOG] = {"bronze": ["source_entities"], "gold": ["matched_entities", "match_history"]}
    space.save()


def test_destroy_names_what_goes_and_what_stays_and_phase_1_begins_anew(project: Any) -> None:
    project.up_to(3)
    set_up(project)
    done = destroy(project, "--yes")
    assert done.code == 0
    for name in (
        "Setup Unity Catalog",
        "Production Pipeline",
        "ditto-em-dev",
        "/Workspace/Users/first.last@company.com",
    ):
        assert name in done.out
    stays = next(line for line in done.out.splitlines() if line.startswith("What stays"))
    assert CATALOG in stays and f"{CATALOG}.models.entity_matching_ditto" in stays
    assert project.space["jobs"] == {} and project.space["endpoints"] == {}
    assert CATALOG in project.space["catalogs"] and project.space["models"]
    assert project.memory == {} and project.phase_in_place is None and project.leftovers == []
    assert project.deploy(1).code == 0
    assert project.deploy(2).code == 0, "the model is still there"


def test_what_was_kept_aside_is_destroyed_too(project: Any) -> None:
    project.up_to(3)
    project.deploy(1)
    done = destroy(project, "--yes")
    assert done.code == 0 and "kept aside until now" in done.out
    assert project.space["jobs"] == {} and project.space["endpoints"] == {}


@pytest.mark.parametrize("what", ["destroy", "bind", "network:summary"])
def test_a_destruction_that_failed_can_be_repeated(project: Any, what: str) -> None:
    project.up_to(3)
    project.deploy(2)
    project.fail(what)
    assert destroy(project, "--yes").code == 1
    assert project.phase_in_place == 2 and len(project.space["jobs"]) == 4 and project.leftovers == []
    project.fail()
    assert destroy(project, "--yes").code == 0
    assert project.space["jobs"] == {}


def test_where_nothing_is_deployed_that_is_said(project: Any) -> None:
    done = destroy(project, "--yes")
    assert done.code == 0 and "No job and no endpoint is deployed to dev" in done.out


def test_the_data_goes_only_after_the_deployment_and_two_confirmations(project: Any) -> None:
    project.up_to(2)
    set_up(project)
    confirmed = ("--yes", "--confirm", CATALOG)
    done = destroy_data(project, *confirmed)
    assert done.code == 1 and "entity-matching destroy -t dev" in done.err
    destroy(project, "--yes")
    for options in ((), ("--yes",), ("--confirm", CATALOG), ("--yes", "--confirm", "another")):
        assert destroy_data(project, *options).code == 1
        assert CATALOG in project.space["catalogs"] and project.space["models"]
    done = destroy_data(project, *confirmed)
    assert done.code == 0
    assert f"{CATALOG}.gold.match_history" in done.out and "3 tables" in done.out and "1 version" in done.out
    assert project.space["catalogs"] == {} and project.space["models"] == {}
    again = destroy_data(project, *confirmed)
    assert again.code == 0 and "There is no catalog" in again.out
