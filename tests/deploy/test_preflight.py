"""What is checked before a deployment: that this project passes, and that each fault is told with its place."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from entity_matching.deploy.bundle import Bundle, User, load
from entity_matching.deploy.preflight import Check, champion_checks, checks, failures
from entity_matching.deploy.validity import SCHEMA_VARIABLE

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
PIPELINE, SERVING, TARGETS = "resources/jobs_pipeline.yml", "resources/model_serving.yml", "resources/targets.yml"
Edit = Callable[[str, str, str], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "resources", folder / "resources")
    for path in (*ROOT.glob("databricks-phase?.yml"), ROOT / "pyproject.toml"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def edit(root: Path) -> Edit:
    def change(name: str, old: str, new: str) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return change


def _bundle(root: Path, phase: int = 3, target: str = "dev", **variables: str) -> Bundle:
    values = {"model_version": "7", **variables}
    return load(root, phase, target, variables=values, user=User("ann@example.com"), environment={})


def _checked(root: Path, phase: int = 3, target: str = "dev", **variables: str) -> list[Check]:
    return checks(_bundle(root, phase, target, **variables), root, now=NOW, environment={}, wheel=False)


def _failed(root: Path, phase: int = 3, target: str = "dev", **variables: str) -> list[tuple[str, str]]:
    return [(c.name, f"{c.message}. {c.remedy}") for c in _checked(root, phase, target, **variables) if not c.ok]


@pytest.mark.parametrize("target", ["local", "dev", "staging", "prod"])
@pytest.mark.parametrize("phase", [1, 2, 3])
def test_this_project_passes(phase: int, target: str) -> None:
    assert _failed(ROOT, phase, target) == []


def test_every_resource_is_read_by_databricks_own_library() -> None:
    pytest.importorskip("databricks.bundles")

    assert "5 resources read by databricks-bundles" in [check.message for check in _checked(ROOT)]


@pytest.mark.skipif(not os.environ.get(SCHEMA_VARIABLE), reason=f"{SCHEMA_VARIABLE} names no schema")
@pytest.mark.parametrize("target", ["local", "dev", "staging", "prod"])
def test_every_file_fits_the_json_schema_of_bundles(target: str) -> None:
    told = [check for check in checks(_bundle(ROOT, 3, target), ROOT, now=NOW, wheel=False) if check.name == "schema"]

    assert [check.message for check in told] == ["the files fit the JSON schema of bundles"]


def test_the_gpu_cluster_of_the_examples_is_valid(root: Path) -> None:
    pytest.importorskip("databricks.bundles")
    own = root / ".databricks/bundle/dev/variable-overrides.json"
    own.parent.mkdir(parents=True)
    shutil.copy(ROOT / "examples/databricks/gpu-cluster.json", own)
    environment = {name: value for name, value in os.environ.items() if name == SCHEMA_VARIABLE}

    assert all(check.ok for check in checks(_bundle(root), root, now=NOW, environment=environment, wheel=False))


def test_the_schedule_is_told_in_words_with_the_next_three_runs() -> None:
    told = [check.message for check in _checked(ROOT) if check.name == "schedule"]

    assert told == [
        "entity_matching_pipeline: At 02:00, UTC ('0 0 2 * * ?'); paused; "
        "next 2026-11-24 02:00 UTC, 2026-11-25 02:00 UTC, 2026-11-26 02:00 UTC"
    ]


@pytest.mark.parametrize(
    ("given", "name", "said"),
    [
        ({"pipeline_schedule": "* * * * * * *"}, "schedule", "jobs_pipeline.yml:"),
        ({"pipeline_schedule": "0 0 2 * * ? 2020"}, "schedule", "never comes again"),
        ({"pipeline_time_zone": "Mars/Olympus"}, "schedule", "There is no time zone 'Mars/Olympus'"),
        ({"catalog_name": "ann.b@example.com_x"}, "catalog name", "holds '.', which no such name may"),
        ({"catalog_name": "Ann_x"}, "catalog name", "capital letters"),
        ({"catalog_name": "a" * 256}, "catalog name", "1 to 255 are allowed"),
        ({"notification_email": "the team"}, "notifications", "'the team' is no e-mail address"),
    ],
)
def test_a_value_that_is_not_allowed_is_told(root: Path, given: dict[str, str], name: str, said: str) -> None:
    (failed,) = _failed(root, 3, "dev", **given)

    assert failed[0] == name
    assert said in failed[1]


@pytest.mark.parametrize(
    ("file", "old", "new", "name", "said"),
    [
        (PIPELINE, "entry_point: exact-match", "entry_point: exact-mach", "entry points", "Did you mean 'exact-match'"),
        (
            PIPELINE,
            "package_name: entity-matching",
            "package_name: src",
            "entry points",
            "the wheel is of 'entity-matching'",
        ),
        (PIPELINE, "              psi:", "              psy:", "parameters", "generate-metrics has no parameter 'psy'"),
        (
            PIPELINE,
            "{{job.parameters.filter}}",
            "{{job.parameters.where}}",
            "parameters",
            "the job has no parameter 'where'",
        ),
        (PIPELINE, "[{task_key: exact_match}]", "[{task_key: exact}]", "task order", "which is no task"),
        (
            PIPELINE,
            "- task_key: exact_match",
            "- task_key: write_results",
            "task order",
            "'write_results' is there twice",
        ),
        (
            PIPELINE,
            "environment_key: default\n          max",
            "environment_key: x\n          max",
            "task order",
            "no environm",
        ),
        (
            SERVING,
            "ditto-em-${bundle.target}",
            "ditto em ${bundle.target}",
            "endpoint name",
            "'ditto em dev' is not allowed",
        ),
        (
            SERVING,
            "ditto-em-${bundle.target}",
            f"ditto-{'x' * 60}",
            "endpoint name",
            "has 66 characters; 63 are allowed",
        ),
        (
            TARGETS,
            "    default: true\n    w",
            "    default: true\n    mode: development\n    w",
            "mode",
            "Leave the mode out",
        ),
    ],
)
def test_a_fault_in_a_file_is_told_with_its_line(
    root: Path, edit: Edit, file: str, old: str, new: str, name: str, said: str
) -> None:
    edit(file, old, new)

    told = [message for found, message in _failed(root) if found == name]

    assert told and f"{file}:" in told[0] and any(said in message for message in told)


def test_tasks_that_wait_for_each_other_are_told(root: Path, edit: Edit) -> None:
    first = "        - task_key: ingest_source_entities\n"
    edit(PIPELINE, first, f"{first}          depends_on: [{{task_key: write_results}}]\n")

    (failed,) = _failed(root)

    assert failed[0] == "task order"
    assert "wait for each other" in failed[1]
    assert "write_results after score_candidates" in failed[1]


def test_a_long_target_is_found_in_the_final_name_of_the_endpoint(root: Path, edit: Edit) -> None:
    target = "dev-" + "of-a-team-with-a-very-long-name-in-a-company-with-another"
    edit(TARGETS, "  staging:\n", f"  {target}:\n")

    (failed,) = _failed(root, 2, target)

    assert failed[0] == "endpoint name"
    assert f"has {len('ditto-em-' + target)} characters" in failed[1]


def test_what_development_mode_puts_before_a_name_counts(root: Path, edit: Edit) -> None:
    edit(TARGETS, "    default: true\n", "    default: true\n    mode: development\n")
    edit(SERVING, "ditto-em-${bundle.target}", f"ditto-{'x' * 50}")

    assert "has 64 characters" in dict(_failed(root))["endpoint name"]  # dev_ann_ditto-...


def test_a_phase_that_lacks_what_an_earlier_one_has_is_told(root: Path, edit: Edit) -> None:
    edit("databricks-phase3.yml", "  - resources/model_serving.yml\n", "")

    (failed,) = _failed(root, 3)

    assert failed[0] == "phases"
    assert "deploying phase 3 would delete it" in failed[1]


def test_a_phase_of_another_name_is_told(root: Path, edit: Edit) -> None:
    edit("databricks-phase2.yml", "name: entity_matching", "name: entity_matching_serving")

    assert {name for name, _ in _failed(root, 1)} == {"phases"}


@pytest.mark.parametrize("literal", ["ditto-em-dev", "ditto-em-${bundle.target}"])
def test_a_name_that_is_written_out_is_told(root: Path, edit: Edit, literal: str) -> None:
    edit(PIPELINE, 'filter: "{{job.parameters.filter}}"', f"filter: endpoint = '{literal}'")

    (failed,) = _failed(root)

    assert failed[0] == "references"
    assert f"{PIPELINE}:" in failed[1] and "${resources.model_serving_endpoints.ditto_matcher.name}" in failed[1]


def test_a_name_that_is_referred_to_passes(root: Path, edit: Edit) -> None:
    name = "${resources.model_serving_endpoints.ditto_matcher.name}"
    edit(PIPELINE, 'filter: "{{job.parameters.filter}}"', f"filter: endpoint = '{name}'")

    assert _failed(root) == []


def test_one_principal_at_two_levels_is_told(root: Path, edit: Edit) -> None:
    edit(SERVING, "permissions: ${var.endpoint_callers}", "permissions: [{level: CAN_QUERY, group_name: users}]")

    (failed,) = _failed(root)

    assert failed[0] == "permissions"
    assert "group users has a permission on ditto_matcher beside that on the whole bundle" in failed[1]


def test_a_service_principal_that_is_named_as_a_user_is_told(root: Path) -> None:
    principal = User("12ab34cd-1234-5678-9abc-1234567890ab", "Nightly Matching")
    values = {"model_version": "7", "notification_email": "team@example.com"}
    before = load(root, 1, "prod", variables=values, user=principal, environment={})
    text = (root / TARGETS).read_text()
    (root / TARGETS).write_text(text.replace("user_name: ${", "service_principal_name: ${"))
    after = load(root, 1, "prod", variables=values, user=principal, environment={})

    told = [[c for c in checks(one, root, environment={}, wheel=False) if not c.ok] for one in (before, after)]

    assert [check.name for check in told[0]] == ["permissions"]
    assert told[0][0].message.startswith(f"{TARGETS}:") and "is a service principal, not a user" in told[0][0].message
    assert told[1] == []


@pytest.mark.skipif(importlib.util.find_spec("databricks.bundles") is None, reason="needs databricks-bundles")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("queue: {enabled: true}\n      timeout", "queu: {enabled: true}\n      timeout", "Unexpected field 'queu'"),
        ("op: GREATER_THAN", "op: MORE_THAN", "'MORE_THAN' is not a valid"),
    ],
)
def test_what_the_platform_does_not_know_is_told(root: Path, edit: Edit, old: str, new: str, said: str) -> None:
    edit(PIPELINE, old, new)

    (failed,) = _failed(root)

    assert failed[0] == "resources"
    assert f"{PIPELINE}:" in failed[1] and said in failed[1]


def test_a_file_that_does_not_fit_a_schema_is_told_with_its_line(root: Path, tmp_path: Path) -> None:
    schema: dict[str, Any] = {
        "properties": {"resources": {"properties": {"jobs": {"additionalProperties": {"required": ["tags"]}}}}}
    }
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(schema))

    told = checks(_bundle(root, 1), root, now=NOW, environment={SCHEMA_VARIABLE: str(file)}, wheel=False)

    failed = [check.message for check in told if not check.ok]
    assert len(failed) == 2 and failed[0].startswith("resources/jobs_setup_training.yml:")


def test_a_schema_that_cannot_be_read_is_told(root: Path, tmp_path: Path) -> None:
    told = checks(
        _bundle(root, 1), root, now=NOW, environment={SCHEMA_VARIABLE: str(tmp_path / "none.json")}, wheel=False
    )

    assert [check.name for check in told if not check.ok] == ["schema"]


def test_without_a_model_phase_one_is_named(root: Path) -> None:
    (check,) = champion_checks(_bundle(root, 2), lambda model: None)

    assert not check.ok
    assert check.message == (
        "no model registered as ann_entity_matching_dev.models.entity_matching_ditto: "
        "run phase 1's train_ditto_model first"
    )
    assert champion_checks(_bundle(root, 2), lambda model: "4")[0].ok
    assert champion_checks(_bundle(root, 1), lambda model: None) == []


def test_all_that_is_wrong_is_one_error(root: Path) -> None:
    told = _checked(root, pipeline_schedule="0 0 25 * * ?", catalog_name="a b")
    error = failures(told)

    assert error is not None
    assert "catalog name:" in error.message and "schedule:" in error.message
    assert failures([check for check in told if check.ok]) is None
