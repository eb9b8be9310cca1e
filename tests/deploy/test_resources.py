"""The files of the bundle: what they require fits the project's, and every variable is described and used."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from entity_matching.deploy.bundle import Bundle, User, load
from entity_matching.deploy.interpolation import references

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    user = User("ann@example.com")
    return load(ROOT, 3, "dev", variables={"model_version": "1"}, user=user, environment={})


@pytest.fixture(scope="module")
def extras() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, list[str]] = project["optional-dependencies"]
    return found


def test_jobs_are_installed_with_what_the_project_says_they_need(bundle: Bundle, extras: dict[str, list[str]]) -> None:
    runtime = [one for one in extras["train"] if one.startswith(("onnxruntime", "tokenizers"))]

    job = bundle.variables["job_environment"]["dependencies"]
    training = bundle.variables["training_environment"]["dependencies"]

    assert sorted(job) == sorted(["../dist/*.whl", *extras["databricks"], *runtime])
    assert sorted(training) == sorted(["../dist/*.whl", *extras["databricks"], *extras["train"]])


def test_a_gpu_cluster_is_installed_with_the_same_but_its_own_torch(extras: dict[str, list[str]]) -> None:
    task = json.loads((ROOT / "examples/databricks/gpu-cluster.json").read_text())["training_task"]

    installed = [one["pypi"]["package"] for one in task["libraries"] if "pypi" in one]

    expected = [one for one in (*extras["databricks"], *extras["train"]) if not one.startswith("torch")]
    assert sorted(installed) == sorted(expected)


def test_the_training_of_the_gpu_cluster_is_that_of_serverless(bundle: Bundle) -> None:
    def parameters(task: Any) -> set[str]:
        return set(task["python_wheel_task"]["named_parameters"])

    given = json.loads((ROOT / "examples/databricks/gpu-cluster.json").read_text())["training_task"]

    assert parameters(given) == parameters(bundle.variables["training_task"]) | {"device"}


def test_every_variable_is_described(bundle: Bundle) -> None:
    described = {name: node.get("description") for name, node in bundle.raw.value["variables"].value.items()}

    assert [name for name, text in described.items() if text is None or len(str(text.value)) < 20] == []


def test_every_variable_is_used(bundle: Bundle) -> None:
    used = {name for _, node in bundle.raw.walk() for name in references(node.value)}
    code = "\n".join(path.read_text() for path in (ROOT / "src/entity_matching").rglob("*.py") if "deploy" in str(path))

    unused = [name for name in bundle.variables if f"var.{name}" not in used and f'"{name}"' not in code]
    assert unused == []


def test_a_task_that_took_too_long_is_tried_again_as_its_variable_says(bundle: Bundle) -> None:
    jobs = ("entity_matching_pipeline", "adhoc_entity_matching")
    tasks = [task for key in jobs for task in bundle.jobs[key]["tasks"]]

    assert len(tasks) == 6
    assert all(task["retry_on_timeout"] is True and task["max_retries"] > 0 for task in tasks)


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_a_phase_file_is_short_and_says_what_is_in_it(phase: int) -> None:
    lines = (ROOT / f"databricks-phase{phase}.yml").read_text().splitlines()

    assert len(lines) <= 12
    assert lines[0].startswith(f"# Phase {phase}, ")


def test_the_files_have_no_name_of_one_installation() -> None:
    texts = [path.read_text() for path in (*ROOT.glob("databricks-phase?.yml"), *(ROOT / "resources").glob("*.yml"))]

    assert not re.search(r"[\w.+-]+@[\w-]+\.\w+|https?://|adb-\d|profile:", "\n".join(texts))


def test_no_resource_is_what_a_rollback_must_keep(bundle: Bundle) -> None:
    assert set(bundle.tree.value["resources"].value) == {"jobs", "model_serving_endpoints"}  # no schema, no model
