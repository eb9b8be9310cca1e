"""The tasks of a job, as a bundle describes them."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from entity_matching.deploy.yaml_source import BundleError
from entity_matching.jobs.named import MODULES

Where = Callable[..., str]
"""Gives ``file:line`` of a path within a job's definition, such as ``"tasks", 0, "timeout_seconds"``."""
_REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_PARAMETER = "job.parameters."
_ALL_SUCCESS = "ALL_SUCCESS"


@dataclass(frozen=True)
class Task:
    """One task: an entry point of the wheel, and when it is run.

    ``parameters``: by their names, references in them not yet resolved. ``retries``: how often it is tried again; -1
    has no end. ``pause_s``: seconds before it is. ``timeout_s``: seconds that one try may take; 0 has no end.
    ``retries_timeout``: whether it is also tried again when it took too long.
    """

    key: str
    entry_point: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    positional: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    retries: int = 0
    pause_s: float = 0.0
    timeout_s: float = 0.0
    retries_timeout: bool = False

    def arguments(self, known: Mapping[str, str]) -> list[str]:
        """Return what its process is called with, as Databricks would: ``--name=value``.

        :param known: what references stand for.
        :raises BundleError: of a reference that is unknown.
        """
        named = [f"--{name}={self._resolved(value, known)}" for name, value in self.parameters.items()]
        return [*named, *(self._resolved(value, known) for value in self.positional)]

    def references(self) -> set[str]:
        """Return what its parameters refer to."""
        return {name for value in (*self.parameters.values(), *self.positional) for name in _REFERENCE.findall(value)}

    def _resolved(self, value: str, known: Mapping[str, str]) -> str:
        def text(match: re.Match[str]) -> str:
            if match[1] not in known:
                raise BundleError(
                    f"The task '{self.key}' refers to {match[0]}, which is unknown on this machine.",
                    remedy=f"Known are: {', '.join(sorted(known))}.",
                )
            return known[match[1]]

        return _REFERENCE.sub(text, value)


def references_of(key: str, job: Mapping[str, Any], run_id: str, date: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return what references in a job's parameters stand for in one run.

    :param date: the day of the run's start, ISO 8601.
    :param given: values of the job's parameters; the others have their defaults.
    :raises BundleError: of a parameter that the job does not have.
    """
    declared = {str(one["name"]): str(one.get("default", "")) for one in job.get("parameters") or ()}
    for name in given:
        if name not in declared:
            there = f"It has: {', '.join(declared)}." if declared else "It has none."
            raise BundleError(f"The job '{key}' has no parameter '{name}'.", remedy=there)
    values = {f"{_PARAMETER}{name}": value for name, value in {**declared, **given}.items()}
    own = {"job.run_id": run_id, "job.id": key, "job.name": str(job.get("name", key))}
    return {**own, "job.start_time.iso_date": date, **values}


def tasks_of(key: str, job: Mapping[str, Any], where: Where | None = None) -> dict[str, Task]:
    """Return the tasks of a job in an order in which they can be run.

    :param key: the job's key. :param job: its definition.
    :param where: for messages.
    :raises BundleError: if this machine cannot run a task, or the tasks wait for each other.
    """
    place = where or (lambda *_: f"job '{key}'")
    found: dict[str, Task] = {}
    for number, one in enumerate(job.get("tasks") or ()):
        task = _task(one, lambda *path, number=number: place("tasks", number, *path))
        if task.key in found:
            raise BundleError(f"{place('tasks', number)}: there are two tasks '{task.key}'.", remedy="Rename one.")
        found[task.key] = task
    if not found:
        raise BundleError(f"{place('tasks')}: the job '{key}' has no task.", remedy="Give it one.")
    known = references_of(key, job, "run", "2000-01-01", {})
    for number, task in enumerate(found.values()):
        for other in task.depends_on:
            if other not in found:
                raise BundleError(
                    f"{place('tasks', number, 'depends_on')}: '{task.key}' depends on '{other}', which is no task of "
                    f"the job '{key}'.",
                    remedy=f"Its tasks are: {', '.join(found)}.",
                )
        for name in sorted(task.references() - set(known)):
            raise BundleError(
                f"{place('tasks', number)}: {{{{{name}}}}} is unknown.",
                remedy=f"Known are: {', '.join(sorted(known))}.",
            )
    try:
        order = list(graphlib.TopologicalSorter({task.key: task.depends_on for task in found.values()}).static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise BundleError(
            f"{place('tasks')}: the tasks of '{key}' wait for each other: {circle}.", remedy="Break the circle."
        ) from error
    return {name: found[name] for name in order}


def _task(one: Mapping[str, Any], place: Where) -> Task:
    key = str(one.get("task_key") or "")
    wheel = one.get("python_wheel_task")
    if not key or not isinstance(wheel, Mapping):
        raise BundleError(
            f"{place()}: the task '{key}' is no python_wheel_task.", remedy="This machine runs no other kind."
        )
    entry_point = str(wheel.get("entry_point") or "")
    if entry_point not in MODULES:
        raise BundleError(
            f"{place('python_wheel_task', 'entry_point')}: the wheel has no entry point '{entry_point}'.",
            remedy=f"It has: {', '.join(MODULES)}.",
        )
    condition = one.get("run_if", _ALL_SUCCESS)
    if condition != _ALL_SUCCESS:
        raise BundleError(
            f"{place('run_if')}: '{condition}' is not known on this machine.", remedy=f"Use {_ALL_SUCCESS}."
        )
    number = _numbers(one, place)
    return Task(
        key=key,
        entry_point=entry_point,
        parameters={str(name): _text(value) for name, value in (wheel.get("named_parameters") or {}).items()},
        positional=tuple(_text(value) for value in wheel.get("parameters") or ()),
        depends_on=tuple(str(other["task_key"]) for other in one.get("depends_on") or ()),
        retries=int(number("max_retries")),
        pause_s=number("min_retry_interval_millis") / 1000,
        timeout_s=number("timeout_seconds"),
        retries_timeout=bool(one.get("retry_on_timeout", False)),
    )


def _numbers(one: Mapping[str, Any], place: Where) -> Callable[[str], float]:
    def number(name: str) -> float:
        value = one.get(name, 0)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise BundleError(f"{place(name)}: '{value}' is no number.", remedy="Correct it.") from error

    return number


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
