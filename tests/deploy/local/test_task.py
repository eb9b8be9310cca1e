"""The tasks of a job."""

from __future__ import annotations

from typing import Any

import pytest

from entity_matching.deploy.local.task import references_of, tasks_of
from entity_matching.deploy.yaml_source import BundleError


def _task(key: str, *after: str, **more: Any) -> dict[str, Any]:
    wheel = {"entry_point": "exact-match", "named_parameters": more.pop("named", {})}
    depends = [{"task_key": other} for other in after]
    return {"task_key": key, "depends_on": depends, "python_wheel_task": wheel, **more}


def _where(*path: Any) -> str:
    return "jobs.yml:" + ".".join(map(str, path))


def test_tasks_come_after_those_they_need_with_their_limits() -> None:
    late = _task("late", "early", max_retries=2, min_retry_interval_millis=1500, timeout_seconds=60)
    tasks = tasks_of("job", {"tasks": [late, _task("early")]})
    assert list(tasks) == ["early", "late"]
    found = tasks["late"]
    assert (found.retries, found.pause_s, found.timeout_s, found.retries_timeout) == (2, 1.5, 60, False)


def test_parameters_are_what_databricks_would_give() -> None:
    named = {"run-id": "{{job.run_id}}", "filter": "{{job.parameters.filter}}", "full": True, "none": ""}
    job = {"tasks": [_task("one", named=named)], "parameters": [{"name": "filter", "default": "a = 'b'"}]}
    task = tasks_of("job", job)["one"]
    known = references_of("job", job, "r1", "2026-01-01", {})
    assert task.arguments(known) == ["--run-id=r1", "--filter=a = 'b'", "--full=true", "--none="]
    given = references_of("job", job, "r1", "2026-01-01", {"filter": "x"})
    assert "--filter=x" in task.arguments(given)
    with pytest.raises(BundleError, match="no parameter 'fitler'. It has: filter"):
        references_of("job", job, "r1", "2026-01-01", {"fitler": "x"})


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "has no task"),
        ([_task("a", "b"), _task("b", "a")], "wait for each other: (a -> b -> a|b -> a -> b)"),
        ([_task("a", "z")], r"jobs.yml:tasks.0.depends_on: 'a' depends on 'z', which is no task"),
        ([_task("a"), _task("a")], "jobs.yml:tasks.1: there are two tasks 'a'"),
        ([{"task_key": "a", "notebook_task": {}}], "no python_wheel_task"),
        ([{"task_key": "a", "python_wheel_task": {"entry_point": "rm"}}], "no entry point 'rm'. It has: setup-unity"),
        ([_task("a", named={"x": "{{tasks.b.values.c}}"})], r"\{\{tasks.b.values.c\}\} is unknown"),
        ([_task("a", run_if="ALL_DONE")], "jobs.yml:tasks.0.run_if: 'ALL_DONE' is not known"),
        ([_task("a", timeout_seconds="soon")], "jobs.yml:tasks.0.timeout_seconds: 'soon' is no number"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_place(tasks: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        tasks_of("job", {"tasks": tasks}, _where)
