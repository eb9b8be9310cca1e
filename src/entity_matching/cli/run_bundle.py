"""``entity-matching run JOB`` for the jobs of the bundle: as graphs of tasks here, as runs of the workspace there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid
from entity_matching.errors import EntityMatchingError

LOCAL = "local"


def run_here(job: str, arguments: Sequence[str], home: Path | None, terminal: Terminal) -> None:
    """Run a job that is deployed to this machine."""
    from entity_matching.deploy.local.deployed import Deployed
    from entity_matching.deploy.local.records import DONE
    from entity_matching.deploy.local.runner import Runner, failure, seconds_between

    runner = Runner(Deployed.find(home_here(home)), os.environ, terminal.note)
    terminal.note(f"Running {runner.deployed.job(job).get('name', job)} ...")
    record = runner.run(job, named(arguments))
    folder = runner.runs.folder_of(record.run_id)
    told = {
        "run_id": record.run_id,
        "job": record.job,
        "status": record.status,
        "seconds": seconds_between(record.started_at, record.finished_at),
        "logs": str(folder),
        "tasks": {task: tries[-1].figures for task, tries in record.tasks.items()},
    }
    table = grid(f"{escape(record.name)}: {record.status}", "task", "ended", "#tries", "#seconds")
    for task, tries in record.tasks.items():
        took = sum(seconds_between(one.started_at, one.finished_at) for one in tries)
        table.add_row(task, tries[-1].status, str(len(tries)), f"{took:.1f}")
    terminal.show(table)
    terminal.note(f"Logs: {folder}")
    terminal.result(told)
    if record.status != DONE:
        raise failure(record, runner.runs)


def run_there(
    job: str,
    target: str,
    arguments: Sequence[str],
    places: tuple[Path | None, Path | None, str | None],
    terminal: Terminal,
) -> None:
    """Run a job in a workspace.

    :param places: root, home, and section of the Databricks configuration file, as they were given.
    """
    from entity_matching.cli.deploying import Site
    from entity_matching.deploy.remote_run import run_remote

    root, home, profile = places
    out = run_remote(
        Site.of(terminal, target, root, home, profile=profile).there(), job, named(arguments), terminal.note
    )
    terminal.say(out.strip() or f"The run of '{job}' is done.")
    terminal.result({"job": job, "target": target, "status": "done", "output": out.strip()})


def home_here(home: Path | None, root: Path | None = None) -> Path:
    """Return the home on this machine: that which is given, that of the environment, or that of the project's folder.

    :param root: where the phases' files are; by default in this folder, or the nearest above it that has them.
    """
    from entity_matching.cli.deploying import home_of
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.deploy.root_file import find_root
    from entity_matching.errors import InputError

    try:
        return home_of(find_root((root or Path.cwd()).absolute()), home)
    except InputError:
        if root is not None:
            raise
        return settings_of(None, LOCAL, home).home


def named(arguments: Sequence[str]) -> dict[str, str]:
    """Return the parameters of a job, which are given as ``--name value`` or ``--name=value``.

    :raises BadParameter: of anything else.
    """
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        first = rest.pop(0)
        if first == "--":
            continue
        name, equals, value = first.removeprefix("--").partition("=")
        if not first.startswith("--") or not name or (not equals and not rest):
            raise typer.BadParameter(f"'{first}': expected --NAME VALUE or --NAME=VALUE.", param_hint="'JOB'")
        found[name.replace("-", "_")] = value if equals else rest.pop(0)
    return found


def deployed_jobs(home: Path | None) -> dict[str, str]:
    """Return the jobs that are deployed to this machine, and what they do; none if nothing is."""
    from entity_matching.deploy.local.deployed import Deployed

    try:
        found = Deployed.load(home_here(home))
    except EntityMatchingError:
        return {}
    jobs: dict[str, Any] = {} if found is None else found.jobs
    return {key: str(job.get("description") or job.get("name") or "") for key, job in jobs.items()}
