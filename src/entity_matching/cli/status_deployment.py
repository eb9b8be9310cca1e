"""The part of ``entity-matching status`` that tells of a deployment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.markup import escape

from entity_matching.cli.console import Terminal, grid, records

State = dict[str, Any]


def state_here(home: Path) -> State | None:
    """Return how the deployment to this machine stands; ``None`` if there is none."""
    from entity_matching.deploy.local.state import local_state

    return local_state(home, os.environ)


def state_there(target: str, root: Path | None, home: Path | None, profile: str | None, terminal: Terminal) -> State:
    """Return how the deployment to a workspace stands."""
    from entity_matching.cli.deploying import Site
    from entity_matching.deploy.bundle import PHASES, User
    from entity_matching.deploy.phase_bundles import PhaseBundles
    from entity_matching.deploy.remembered import Remembered
    from entity_matching.deploy.remote_state import WAREHOUSE_VARIABLE, RemoteState, connect

    site = Site.of(terminal, target, root, home, profile=profile)
    workspace = connect(target, profile)
    me = workspace.current_user.me()
    user = User(str(me.user_name), str(me.display_name or ""))
    memory = Remembered.load(site.home, target)
    bundles = PhaseBundles(site.root, target, site.variables(), os.environ, user)
    bundle = bundles.load(memory.phase or PHASES[-1])
    return RemoteState(workspace, bundle, memory, os.environ.get(WAREHOUSE_VARIABLE)).all()


def show_deployment(found: State, terminal: Terminal) -> None:
    """Print phase, jobs, endpoint and scheduler."""
    phase = "No phase" if found["phase"] is None else f"Phase {found['phase']}"
    since = f", since {_time(found['deployed_at'])}" if found["deployed_at"] else ""
    terminal.say(f"{phase} is deployed to {found['target']}{since}.")
    if found["unfinished"] is not None:
        terminal.say(f"The last deployment (phase {found['unfinished']}) did not end well; run it again.")
    for name in found["kept"]:
        terminal.say(f"Kept aside for a later phase: {name}.")
    table = grid("Jobs (times in UTC)", "job", "last run", "next run")
    for job in found["jobs"]:
        last = "not there" if job.get("missing") else "never"
        if job["last"]:
            last = f"{_time(job['last']['started_at'])} {job['last']['status']}"
        following = _time(job["next"]) if job["next"] else "paused" if job["paused"] else ""
        table.add_row(escape(f"{job['name']}\n{job['job']}"), escape(last), following)
    terminal.show(table)
    _show_endpoint(found["endpoint"], terminal)
    if "scheduler" in found:
        _show_scheduler(found, terminal)


def show_data(found: State, terminal: Terminal) -> None:
    """Print model versions, tables, what waits for people, and alerts of a workspace."""
    table = grid("Versions of the model", "version", "aliases", "status", "registered")
    for one in found["models"]:
        table.add_row(one["version"], ", ".join(one["aliases"]), one["status"] or "", _time(one["registered_at"]))
    terminal.show(table)
    table = grid("Tables", "table", "#rows", "newest row")
    for row in found["tables"]:
        table.add_row(row["table"], f"{row['rows']:,}", _time(row["newest"]))
    terminal.show(table)
    if found["review_backlog"] is not None:
        terminal.say(f"{records(found['review_backlog'], 'decision')} waiting for review.")
    for alert in found["alerts"]:
        terminal.say(f"Alert: {alert['alert']} ({alert['value']:.3g}), run {alert['run_id']}.")
    if found["tables"] and not found["alerts"]:
        terminal.say("No alerts.")
    for problem in found["problems"]:
        terminal.say(f"Not known: {problem}")


def _show_endpoint(endpoint: State | None, terminal: Terminal) -> None:
    if endpoint is None:
        return
    latency = endpoint.get("latency_ms")
    took = "" if latency is None else f", answers in {latency:g} ms"
    version = f", serves version {endpoint['model_version']}" if endpoint.get("model_version") else ""
    where = f" at {endpoint['url']}" if endpoint.get("url") else ""
    terminal.say(f"Endpoint {endpoint['name']}: {endpoint['status']}{where}{version}{took}.")
    if endpoint["status"] == "stopped":
        terminal.say("Start it: entity-matching deploy 2 -t local (or endpoint start)")


def _show_scheduler(found: State, terminal: Terminal) -> None:
    if found["scheduler"] is not None:
        terminal.say(f"Scheduler: running (process {found['scheduler']}).")
    elif found["scheduled"]:
        terminal.say("Scheduler: stopped, so that nothing runs by its schedule. entity-matching schedule start")


def _time(text: str | None) -> str:
    return "" if not text else str(text)[:19].replace("T", " ")
