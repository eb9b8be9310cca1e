"""Jobs run in a workspace that is played."""

from __future__ import annotations

from typing import Any

import pytest

from entity_matching.deploy.remote_run import as_parameter


def test_a_job_runs_where_it_is_deployed(project: Any) -> None:
    project.up_to(1)
    done = project.command("run", "setup_unity_catalog", "-t", "dev", "--root", project.root)
    assert done.code == 0, done.err
    assert "first_last_entity_matching_dev" in project.space["catalogs"]
    assert project.calls[-1] == "bundle run setup_unity_catalog"


def test_a_fresh_clone_gets_the_phases_file_first(project: Any) -> None:
    project.up_to(3)
    (project.root / "databricks.yml").unlink()
    done = project.command("run", "entity_matching_pipeline", "-t", "dev", "--root", project.root)
    assert done.code == 0, done.err
    assert project.phase_in_place == 3 and project.leftovers == []


def test_parameters_are_handed_on(project: Any) -> None:
    project.up_to(3)
    root = project.root
    done = project.command(
        "run", "adhoc_entity_matching", "-t", "dev", "--root", root, "--", "--source-table", "a.b", "--filter=x = 1"
    )
    assert done.code == 0, done.err
    assert project.space["params"] == ["source_table=a.b", '"filter=x = 1"']
    done = project.command("run", "adhoc_entity_matching", "-t", "dev", "--root", root, "--", "--nonsense=1")
    assert done.code == 1 and "It has: filter, output_table, source_table" in done.err


def test_what_is_not_deployed_is_refused(project: Any) -> None:
    project.up_to(1)
    done = project.command("run", "entity_matching_pipeline", "-t", "dev", "--root", project.root)
    assert done.code == 1 and "no part of phase 1" in done.err
    done = project.command("run", "no_such_job", "-t", "dev", "--root", project.root)
    assert done.code == 1 and "There is no job 'no_such_job'" in done.err
    done = project.command("run", "entity_matching_pipeline", "-t", "elsewhere", "--root", project.root)
    assert done.code == 1 and "There is no target 'elsewhere'" in done.err


@pytest.mark.parametrize(
    ("value", "text"),
    [("a, b", "p=a, b"), ("x = 'a'", "\"p=x = 'a'\""), ('x = "a"', '"p=x = ""a"""'), ("", "p=")],
)
def test_values_come_through_as_they_are(value: str, text: str) -> None:
    assert as_parameter("p", value) == text
