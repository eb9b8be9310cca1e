"""``entity-matching status``."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entity_matching.cli.console import Terminal, grid, records
from entity_matching.cli.deploying import DeployProfile, Root
from entity_matching.cli.options import AsJson, Catalog, Home

if TYPE_CHECKING:
    from entity_matching.lakehouse import LakehouseSettings

StatusTarget = Annotated[
    str | None,
    typer.Option(
        "--target",
        "-t",
        metavar="TARGET",
        help="What to look at: local (default), or dev, staging, prod on Databricks; also sc://host:port, databricks.",
        show_default=False,
    ),
]
PIPELINE = "run-pipeline"
LONG = 10.0
"""Seconds from which on tenths are left out."""


def status(
    runs: Annotated[int, typer.Option("--runs", metavar="N", min=1, help="So many of the last runs.")] = 10,
    catalog: Catalog = None,
    target: StatusTarget = None,
    root: Root = None,
    home: Home = None,
    profile: DeployProfile = None,
    as_json: AsJson = False,
) -> None:
    """Show what is deployed, the last runs, the tables, the model in force, what waits for review, and alerts.

    A run that is written down as running although none is going on was killed; the next run repairs what it left.
    """
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.cli.run_bundle import home_here
    from entity_matching.cli.status_deployment import show_data, show_deployment, state_here, state_there
    from entity_matching.lakehouse.settings import DATABRICKS, LOCAL, REMOTE

    terminal = Terminal(as_json)
    if target is not None and target not in (LOCAL, DATABRICKS) and not target.startswith(REMOTE):
        found = state_there(target, root, home, profile, terminal)
        show_deployment(found, terminal)
        show_data(found, terminal)
        terminal.result(found)
        return
    settings = settings_of(catalog, target, home)
    if settings.target == LOCAL:
        home = home_here(home, root)
        settings = settings_of(catalog, target, home)
        terminal.note(f"Looking in {home} (ENTITY_MATCHING_HOME or --home names another folder).")
    deployment = state_here(settings.home) if settings.target == LOCAL else None
    if deployment is not None:
        show_deployment(deployment, terminal)
        settings = settings_of(catalog or deployment["catalog"], target, home)
    elif target == LOCAL:
        terminal.say(f"Nothing is deployed to {settings.home}.")
    if deployment is not None:
        if not settings.warehouse.is_dir():
            terminal.say("There are no tables yet: entity-matching run setup_unity_catalog -t local")
            terminal.result({"deployment": deployment})
            return
    found = _of_lake(settings, runs, terminal)
    terminal.result(json.loads(json.dumps({**found, "deployment": deployment}, default=_iso)))


def _of_lake(settings: LakehouseSettings, runs: int, terminal: Terminal) -> dict[str, Any]:
    """Print and return the state of a lakehouse."""
    from entity_matching.cli.lakehouses import opened
    from entity_matching.jobs.state import state

    with opened(settings) as lake:
        found = state(lake, runs)
    _show_runs(found["runs"], terminal)
    _show_tables(found["tables"], terminal)
    _show_rest(found, terminal)
    return found


def _show_runs(runs: list[dict[str, Any]], terminal: Terminal) -> None:
    if not runs:
        terminal.say("No job has run yet.")
        return
    table = grid("Last runs (times in UTC)", "started, run", "jobs", "ended", "#decided")
    for run in runs:
        decided = "\n".join(f"{count:,} {decision}" for decision, count in run["decisions"].items())
        took = "" if run["seconds"] is None else f", {_length(run['seconds'])}"
        table.add_row(f"{_time(run['started_at'])}\n{run['run_id']}", _jobs(run), run["status"] + took, decided)
    terminal.show(table)
    for run in runs:
        if run["message"]:
            terminal.say(f"{run['run_id']}: {run['message']}")
    last = next((run for run in runs if PIPELINE in run["jobs"]), None)
    if last is not None:
        stages = [f"{job} {_length(seconds)}" for job, seconds in last["job_seconds"].items() if job != PIPELINE]
        terminal.say(f"Stages of {last['run_id']}: {', '.join(stages) or 'none that ended'}.")


def _jobs(run: dict[str, Any]) -> str:
    """Return the jobs of a run, each on a line; of the pipeline only the stages that did not end well."""
    whole = PIPELINE in run["jobs"]
    return "\n".join(
        job if status == "done" else f"{job} ({status})"
        for job, status in run["jobs"].items()
        if job == PIPELINE or not whole or status != "done"
    )


def _length(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < LONG else f"{seconds:,.0f} s"


def _show_tables(tables: list[dict[str, Any]], terminal: Terminal) -> None:
    table = grid("Tables", "table", "#rows", "newest row")
    for row in tables:
        table.add_row(row["table"], f"{row['rows']:,}", _time(row["newest"]))
    terminal.show(table)


def _show_rest(found: dict[str, Any], terminal: Terminal) -> None:
    model, quarantine = found["model"], found["quarantine"]
    if model is None:
        terminal.say("Model: none yet; train one with 'entity-matching run train-ditto-model'.")
    else:
        quality = "" if model["f1"] is None else f", F1 {model['f1']:.3f} on entities kept aside"
        terminal.say(f"Model: {model['version']}, trained {_time(model['trained_at']) or 'elsewhere'}{quality}.")
        if model["versions"] > 1:
            terminal.say(f"It is the champion of {model['versions']} versions: entity-matching models list")
    terminal.say(f"{records(found['review_backlog'], 'decision')} waiting for review.")
    aside = f"{records(quarantine['rows'], 'row')} in quarantine, {quarantine['new_in_last_run']:,} of the last ingest."
    terminal.say(aside)
    for alert in found["alerts"]:
        terminal.say(f"Alert: {alert['alert']} ({alert['value']:.3g}), run {alert['run_id']}.")
    if not found["alerts"]:
        terminal.say("No alerts.")


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"


def _iso(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
