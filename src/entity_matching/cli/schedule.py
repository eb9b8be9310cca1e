"""``entity-matching schedule``: the scheduler of this machine, started, stopped and looked at."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid
from entity_matching.cli.options import AsJson, Home

if TYPE_CHECKING:
    from pathlib import Path

schedule = typer.Typer(
    name="schedule",
    help="Start, stop and look at what starts the deployed jobs by their schedules on this machine.",
    no_args_is_help=True,
)


@schedule.command("start")
def start(
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, and log to stderr: for containers and service managers.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Start the scheduler; one that runs is left alone.

    A run that was missed while none ran is caught up, once; so is one that was killed.
    """
    from entity_matching.deploy.local.deployed import Deployed
    from entity_matching.deploy.schedule import log_of
    from entity_matching.deploy.schedule import start as start_scheduler

    place = _home(home)
    terminal = Terminal(as_json)
    deployed = Deployed.find(place)
    if foreground:
        _stay(place)
        return
    if not deployed.schedules:
        terminal.note("No job that is deployed has a schedule that is not paused; it waits for one.")
    running = start_scheduler(place, os.environ)
    terminal.say(f"The scheduler runs (process {running.pid}).")
    terminal.note(f"Log: {log_of(place)}")
    _show(scheduled(deployed), terminal)
    terminal.result({"pid": running.pid, "since": running.since, "log": str(log_of(place))})


@schedule.command("stop")
def stop(home: Home = None) -> None:
    """Stop the scheduler; a run that it has started goes on to its end."""
    from entity_matching.deploy.schedule import stop as stop_scheduler

    stopped = stop_scheduler(_home(home))
    Terminal().say("The scheduler does not run." if stopped is None else "The scheduler has stopped.")


@schedule.command("status")
def status(home: Home = None, as_json: AsJson = False) -> None:
    """Say whether the scheduler runs, and when each job ran last and will run next; exit code 1 if it does not run."""
    from entity_matching.deploy.local.deployed import Deployed
    from entity_matching.deploy.schedule import RunningScheduler, log_of

    place = _home(home)
    terminal = Terminal(as_json)
    running = RunningScheduler.find(place)
    jobs = scheduled(Deployed.find(place))
    if running is None:
        terminal.say("The scheduler does not run. Start it: entity-matching schedule start")
    else:
        terminal.say(f"The scheduler runs (process {running.pid}, since {running.since}).")
    _show(jobs, terminal)
    pid = None if running is None else running.pid
    terminal.result({"running": running is not None, "pid": pid, "log": str(log_of(place)), "jobs": jobs})
    if running is None:
        raise typer.Exit(1)


def scheduled(deployed: Any) -> list[dict[str, Any]]:
    """Return the schedules of what is deployed: of each its job, when in words, the last run, and the next."""
    from entity_matching.deploy.local.records import Runs
    from entity_matching.deploy.local.scheduler import cron_of

    found = []
    for key, one in deployed.schedules.items():
        cron = cron_of(one)
        runs = Runs(deployed.home).all(key)
        following = cron.next_times(datetime.now(UTC), 1)
        last = {"run_id": runs[0].run_id, "status": runs[0].status, "started_at": runs[0].started_at} if runs else None
        found.append({
            "job": key, "cron": cron.expression, "time_zone": cron.time_zone, "words": cron.in_words(),
            "last": last, "next": following[0].isoformat() if following else None,
        })  # fmt: skip
    return found


def _show(jobs: list[dict[str, Any]], terminal: Terminal) -> None:
    if not jobs:
        return
    table = grid("Schedules", "job", "when", "last run", "next run")
    for job in jobs:
        last = f"{job['last']['started_at'][:19]} {job['last']['status']}" if job["last"] else "never"
        table.add_row(
            escape(job["job"]), escape(f"{job['words']} ({job['cron']})"), last, (job["next"] or "never")[:25]
        )
    terminal.show(table)


def _home(home: Path | None) -> Path:
    from entity_matching.cli.run_bundle import home_here

    return home_here(home)


def _stay(home: Path) -> None:
    from entity_matching.deploy.local.scheduler import serve

    serve(home, to_file=False)
