"""What is checked before a bundle is deployed: in seconds, without a workspace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from entity_matching.deploy.bundle import PHASES, Bundle, BundleError, read_phase
from entity_matching.deploy.check import Check, found
from entity_matching.deploy.cron import Cron
from entity_matching.deploy.naming import catalog_problems, endpoint_problems, endpoint_text, mode_problems
from entity_matching.deploy.principals import notification_problems, permission_problems
from entity_matching.deploy.repeated import repeated_names
from entity_matching.deploy.tasks import entry_point_problems, entry_points_of, graph_problems, parameter_problems
from entity_matching.deploy.validity import SCHEMA_VARIABLE, library_checks, schema_checks
from entity_matching.deploy.wheel import check_wheel
from entity_matching.deploy.yaml_source import Node
from entity_matching.errors import EntityMatchingError, OptionalDependencyError, SettingsError
from entity_matching.jobs.job import utc_now

__all__ = ["Check", "champion_checks", "checks", "failures", "schedule_checks"]

_TIME = "%Y-%m-%d %H:%M %Z"


def checks(
    bundle: Bundle,
    root: Path,
    *,
    now: datetime | None = None,
    environment: Mapping[str, str] | None = None,
    find_champion: Callable[[str], str | None] | None = None,
    wheel: bool | None = None,
) -> list[Check]:
    """Check a bundle, with all that can be checked offline.

    :param root: the folder of the phases' files.
    :param now: from when on the next runs are told, a time with a time zone; by default from now on.
    :param environment: by default that of the process; ``DATABRICKS_BUNDLE_SCHEMA`` may name a JSON schema of bundles.
    :param find_champion: returns the version of a registered model, by its full name, that is the champion; by default
        nobody is asked.
    :param wheel: whether to build and install the wheel, which takes seconds; by default where one is deployed.
    :returns: what was found; each name at least once, each problem by itself.
    """
    schema = (os.environ if environment is None else environment).get(SCHEMA_VARIABLE)
    entry_points = entry_points_of(root)
    with_wheel = wheel if wheel is not None else not bundle.is_local and (root / "pyproject.toml").is_file()
    count = len(bundle.variables)
    return [
        *found("phases", _phase_problems(root), "each phase holds all of the one before"),
        *found("variables", (), f"{count} variables, each declared and with a value"),
        *library_checks(bundle),
        *schema_checks(bundle, schema),
        *found("entry points", entry_point_problems(bundle, root, entry_points), _entry_points_text(bundle)),
        *found("parameters", parameter_problems(bundle, entry_points), "each is one that its job has"),
        *found("task order", graph_problems(bundle), "every task comes after those it needs"),
        *found("endpoint name", endpoint_problems(bundle), endpoint_text(bundle)),
        *found("catalog name", catalog_problems(bundle), f"'{bundle.catalog}' is allowed"),
        *found("mode", mode_problems(bundle), "no target puts anything before the names"),
        *found("references", repeated_names(bundle), "no resource's name is written out a second time"),
        *found("permissions", permission_problems(bundle), "nobody is named at two levels"),
        *found("notifications", notification_problems(bundle), "every address is one"),
        *schedule_checks(bundle, now or utc_now()),
        *(check_wheel(root) if with_wheel else []),
        *(champion_checks(bundle, find_champion) if find_champion is not None else []),
    ]


def champion_checks(bundle: Bundle, find_champion: Callable[[str], str | None]) -> list[Check]:
    """Check that there is a model for the endpoint to serve; nothing of a phase without endpoint."""
    if not bundle.endpoints:
        return []
    version = find_champion(bundle.model_name)
    if version is None:
        missing = f"no model registered as {bundle.model_name}: run phase 1's train_ditto_model first"
        return [Check("champion", False, missing, f"With: entity-matching run train_ditto_model -t {bundle.target}")]
    return [Check("champion", True, f"version {version} of {bundle.model_name}")]


def schedule_checks(bundle: Bundle, now: datetime) -> list[Check]:
    """Check each schedule, and tell it in words and with its next three runs."""
    return [_schedule(bundle, key, job["schedule"], now) for key, job in bundle.jobs.items() if job.get("schedule")]


def _schedule(bundle: Bundle, key: str, schedule: Mapping[str, str], now: datetime) -> Check:
    where = bundle.where("resources", "jobs", key, "schedule", "quartz_cron_expression")
    expression, zone = str(schedule.get("quartz_cron_expression", "")), str(schedule.get("timezone_id", "UTC"))
    try:
        cron = Cron.parse(expression, zone)
    except SettingsError as error:
        return Check("schedule", False, f"{where}: {error.message}", error.remedy)
    try:
        times = cron.next_times(now)
        words = cron.in_words()
    except OptionalDependencyError as error:
        return Check("schedule", True, f"{key}: '{expression}', {zone}. In words: {error.remedy}")
    if not times:
        return Check("schedule", False, f"{where}: '{expression}' ({words}) never comes again", "Correct it.")
    paused = "; paused" if schedule.get("pause_status") == "PAUSED" else ""
    told = ", ".join(f"{time:{_TIME}}" for time in times)
    return Check("schedule", True, f"{key}: {words} ('{expression}'){paused}; next {told}")


def _phase_problems(root: Path) -> Iterator[tuple[str, str]]:
    """Yield what a phase has that the next one lacks, and so would remove, or has otherwise."""
    trees: list[Node] = []
    try:
        trees = [read_phase(root, phase)[0] for phase in PHASES]
    except BundleError as error:
        yield error.message, error.remedy
    for phase, (before, after) in enumerate(zip(trees, trees[1:], strict=False), start=1):
        for key, member in _resources(before):
            there = after.get("resources", *key)
            if there is None:
                lost = f"phase {phase} has {'.'.join(key)} ({member.place}), phase {phase + 1} does not"
                yield f"{lost}: deploying phase {phase + 1} would delete it", "Let it include the same files, and more."
            elif there.plain() != member.plain():
                yield f"{there.place}: phase {phase + 1} changes {'.'.join(key)} of phase {phase}", "Define it once."
        name = before.get("bundle", "name"), after.get("bundle", "name")
        if name[0] is None or name[1] is None or name[0].value != name[1].value:
            place = name[1].place if name[1] is not None else after.place
            yield f"{place}: phases {phase} and {phase + 1} have different bundle names", "Give them one name."


def _resources(tree: Node) -> Iterator[tuple[tuple[str, str], Node]]:
    resources = tree.get("resources")
    for kind, members in (resources.value if resources is not None else {}).items():
        for key, member in members.value.items():
            yield (kind, key), member


def _entry_points_text(bundle: Bundle) -> str:
    names = {
        task["python_wheel_task"]["entry_point"]
        for job in bundle.jobs.values()
        for task in job.get("tasks", [])
        if "python_wheel_task" in task
    }
    return f"all {len(names)} are in the wheel"


def failures(told: list[Check]) -> EntityMatchingError | None:
    """Return one error that names all checks that failed, or ``None``."""
    failed = [check for check in told if not check.ok]
    if not failed:
        return None
    lines = [f"{check.name}: {check.message}. {check.remedy}".rstrip() for check in failed]
    return BundleError("\n".join(lines) if len(lines) == 1 else "\n".join(["It cannot be deployed:", *lines]))
