"""``entity-matching status``."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

import typer

from entity_matching.cli.console import Terminal, grid, records
from entity_matching.cli.options import AsJson, Catalog, Home, Target

PIPELINE = "run-pipeline"
LONG = 10.0
"""Seconds from which on tenths are left out."""


def status(
    runs: Annotated[int, typer.Option("--runs", metavar="N", min=1, help="So many of the last runs.")] = 10,
    catalog: Catalog = None,
    target: Target = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show the last runs, the tables, the model in force, what waits for review, and alerts.

    A run that is written down as running although none is going on was killed; the next run repairs what it left.
    """
    from entity_matching.cli.lakehouses import opened, settings_of
    from entity_matching.jobs.state import state

    terminal = Terminal(as_json)
    with opened(settings_of(catalog, target, home)) as lake:
        found = state(lake, runs)
    _show_runs(found["runs"], terminal)
    _show_tables(found["tables"], terminal)
    _show_rest(found, terminal)
    terminal.result(json.loads(json.dumps(found, default=_iso)))


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
