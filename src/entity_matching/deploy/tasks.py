"""The tasks of jobs: what they call, with which parameters, and in which order."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import entry_points, metadata
from pathlib import Path
from typing import Any

from entity_matching.deploy.bundle import Bundle
from entity_matching.deploy.interpolation import closest
from entity_matching.jobs.named import MODULES, find_job

DISTRIBUTION = "entity-matching"
_JOB_PARAMETER = re.compile(r"\{\{\s*job\.parameters\.([\w.-]+)\s*\}\}")


@dataclass(frozen=True)
class EntryPoints:
    """The commands of the wheel, and the name of the distribution it is made from."""

    distribution: str
    names: frozenset[str]


@dataclass(frozen=True)
class Task:
    """A task, with the path where it stands."""

    job: str
    key: str
    content: dict[str, Any]
    path: tuple[str | int, ...]


def tasks_of(bundle: Bundle) -> Iterator[Task]:
    """Yield the tasks of all jobs."""
    for name, job in bundle.jobs.items():
        for place, content in enumerate(job.get("tasks") or []):
            yield Task(name, str(content.get("task_key", "")), content, ("resources", "jobs", name, "tasks", place))


def entry_points_of(root: Path) -> EntryPoints:
    """Return the commands of the wheel that is built in a folder, or, where none is, of the installed distribution."""
    file = root / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        return EntryPoints(str(project.get("name", "")), frozenset(project.get("scripts", {})))
    installed = entry_points(group="console_scripts")
    names = (one.name for one in installed if one.value.startswith("entity_matching."))
    return EntryPoints(metadata(DISTRIBUTION)["Name"], frozenset(names))


def entry_point_problems(bundle: Bundle, root: Path, there: EntryPoints) -> Iterator[tuple[str, str]]:
    """Yield tasks that call what the wheel does not have."""
    for task in tasks_of(bundle):
        wheel = task.content.get("python_wheel_task")
        where = bundle.where(*task.path, "python_wheel_task", "entry_point")
        if wheel is None:
            yield f"{where}: the task '{task.key}' is no python_wheel_task", "Only these run on one machine, too."
        elif wheel.get("package_name") != there.distribution:
            yield (
                f"{where}: the package is '{wheel.get('package_name')}', the wheel is of '{there.distribution}'",
                f"Write package_name: {there.distribution}.",
            )
        elif wheel.get("entry_point") not in there.names:
            name = str(wheel.get("entry_point"))
            yield f"{where}: the wheel has no entry point '{name}'", closest(name, there.names)


def parameter_problems(bundle: Bundle, there: EntryPoints) -> Iterator[tuple[str, str]]:
    """Yield parameters that a task's job does not have, or that speak of job parameters that are not declared."""
    for task in tasks_of(bundle):
        wheel = task.content.get("python_wheel_task") or {}
        path = (*task.path, "python_wheel_task", "named_parameters")
        given: Mapping[str, Any] = wheel.get("named_parameters") or {}
        known = _options(str(wheel.get("entry_point")))
        declared = {str(one.get("name")) for one in bundle.jobs[task.job].get("parameters") or []}
        for name, value in given.items():
            where = bundle.where(*path, name)
            if known and name not in known:
                yield f"{where}: {wheel.get('entry_point')} has no parameter '{name}'", closest(name, known)
            for used in _JOB_PARAMETER.findall(str(value)):
                if used not in declared:
                    yield f"{where}: the job has no parameter '{used}'", closest(used, declared)


def graph_problems(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the order of tasks: keys that stand twice, unknown ones, circles."""
    for name, job in bundle.jobs.items():
        tasks = [task for task in tasks_of(bundle) if task.job == name]
        keys = [task.key for task in tasks]
        environments = {str(one.get("environment_key")) for one in job.get("environments") or []}
        for task in tasks:
            where = bundle.where(*task.path)
            if keys.count(task.key) > 1:
                yield f"{where}: the task '{task.key}' is there twice", "Rename one."
            environment = task.content.get("environment_key")
            if environment is not None and environment not in environments:
                yield f"{where}: there is no environment '{environment}'", closest(str(environment), environments)
            for needed in _needs(task):
                if needed not in keys:
                    place = bundle.where(*task.path, "depends_on")
                    yield f"{place}: '{task.key}' depends on '{needed}', which is no task", closest(needed, keys)
        yield from _circles(bundle, name, tasks)


def _circles(bundle: Bundle, job: str, tasks: list[Task]) -> Iterator[tuple[str, str]]:
    try:
        TopologicalSorter({task.key: _needs(task) for task in tasks}).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        path = next(task.path for task in tasks if task.key == circle[0])
        where = bundle.where(*path, "depends_on")
        yield f"{where}: the tasks of {job} wait for each other: {' after '.join(circle)}", "Break the circle."


def _needs(task: Task) -> list[str]:
    return [str(one.get("task_key")) for one in task.content.get("depends_on") or []]


def _options(entry_point: str) -> set[str]:
    """Return the options of an entry point that is a job; none of another one."""
    if entry_point not in MODULES:
        return set()
    fields = find_job(entry_point).parameters.model_fields
    return {(field.alias or name).replace("_", "-") for name, field in fields.items()}
