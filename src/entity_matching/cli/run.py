"""``entity-matching run``."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid, show_notes
from entity_matching.cli.deploying import DeployProfile, Root
from entity_matching.cli.options import AsJson, Home


def run(
    context: typer.Context,
    job: Annotated[
        str | None,
        typer.Argument(metavar="JOB", help="The job's name; without one the jobs are listed.", show_default=False),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "-t",
            metavar="TARGET",
            help="Where a job of the bundle runs: local (default), or dev, staging, prod on Databricks.",
            show_default=False,
        ),
    ] = None,
    root: Root = None,
    home: Home = None,
    profile: DeployProfile = None,
    as_json: AsJson = False,
) -> None:
    """Run a job: entity-matching run JOB -- --parameter VALUE.

    What comes after JOB goes to the job. A name with dashes is one job over the tables, which runs in this process;
    'entity-matching run JOB -- --help' lists its parameters. A name with underscores is a job of the bundle, as it was
    deployed: all its tasks, in their order.
    """
    from entity_matching.cli.run_bundle import LOCAL, run_here, run_there
    from entity_matching.jobs.named import MODULES

    terminal = Terminal(as_json)
    if job is None:
        _list(terminal, home)
    elif job in MODULES:
        places = {"target": target, "home": home}
        given = [word for name, value in places.items() if value is not None for word in (f"--{name}", str(value))]
        _run_alone(job, [*given, *context.args], terminal)
    elif "_" not in job:
        raise typer.BadParameter(f"there is no job '{job}'. Jobs are: {', '.join(MODULES)}.", param_hint="'JOB'")
    elif target in (None, LOCAL):
        run_here(job, context.args, home, terminal)
    else:
        run_there(job, str(target), context.args, (root, home, profile), terminal)


def _run_alone(job: str, arguments: list[str], terminal: Terminal) -> None:
    from entity_matching.jobs.named import find_job

    _show_progress()
    started = time.perf_counter()
    with terminal.progress() as progress:
        told = find_job(job).run(arguments, progress=progress)
    figures = json.loads(json.dumps(told, default=str))
    _show(job, figures, terminal)
    terminal.say(f"Done in {time.perf_counter() - started:.1f} s.")
    terminal.result(figures)


def _list(terminal: Terminal, home: Path | None) -> None:
    from entity_matching.cli.run_bundle import deployed_jobs
    from entity_matching.jobs.named import MODULES, find_job

    jobs = {name: find_job(name).description for name in MODULES}
    of_bundle = deployed_jobs(home)
    for title, found in (("Jobs", jobs), ("Jobs of the bundle, deployed to this machine", of_bundle)):
        table = grid(title, "job", "does")
        for name, description in found.items():
            table.add_row(escape(name), escape(description))
        if found:
            terminal.show(table)
    terminal.result({"jobs": jobs, "deployed": of_bundle})


def _show_progress() -> None:
    """Print what the jobs say they do; of the rest of the library only warnings, unless --verbose asks for more."""
    package = logging.getLogger("entity_matching")
    verbose = package.isEnabledFor(logging.INFO)
    show_notes(logging.INFO)
    if not verbose:
        package.setLevel(logging.WARNING)
    logging.getLogger("entity_matching.jobs").setLevel(logging.INFO)


def _show(title: str, figures: Mapping[str, Any], terminal: Terminal) -> None:
    """Print figures: one table of those that stand alone, and one of each group whose members are alike."""
    table = grid(title, "figure", "value")
    groups: list[tuple[str, Mapping[str, Any]]] = []
    for name, value in _sorted_out(figures, groups):
        table.add_row(name, value)
    terminal.show(table)
    for name, members in groups:
        columns = list(dict.fromkeys(column for member in members.values() for column in member))
        table = grid(name, "", *(f"#{column.replace('_', ' ')}" for column in columns))
        for key, member in members.items():
            table.add_row(key, *(_text(member.get(column)) for column in columns))
        terminal.show(table)


def _sorted_out(
    figures: Mapping[str, Any], groups: list[tuple[str, Mapping[str, Any]]], before: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield figures that stand alone with their values as text, and put groups aside."""
    for name, given in figures.items():
        label = f"{before} {name.replace('_', ' ')}".strip()
        listed = isinstance(given, list) and given and all(isinstance(member, Mapping) for member in given)
        value = {str(place): member for place, member in enumerate(given, start=1)} if listed else given
        if not isinstance(value, Mapping) or all(_is_single(member) for member in value.values()):
            yield label, _text(value)
        elif all(isinstance(member, Mapping) and all(map(_is_single, member.values())) for member in value.values()):
            groups.append((label, value))
        else:
            yield from _sorted_out(value, groups, label)


def _is_single(value: Any) -> bool:
    return not isinstance(value, Mapping | list)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_text(member)}" for name, member in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
