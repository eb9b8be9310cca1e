"""``entity-matching endpoint``: the REST endpoint, started, stopped and looked at."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid
from entity_matching.cli.endpoint_query import query
from entity_matching.cli.endpoint_token import token
from entity_matching.cli.options import AsJson, Catalog, Home

if TYPE_CHECKING:
    from entity_matching.serving.settings import ServingSettings
    from entity_matching.serving.targets import Place

endpoint = typer.Typer(
    name="endpoint", help="Start, stop, ask and look at the REST endpoint, and make its tokens.", no_args_is_help=True
)
endpoint.command("query")(query)
endpoint.add_typer(token)

EndpointTarget = Annotated[
    str,
    typer.Option("--target", "-t", metavar="TARGET", help="Where it is: local, or dev, staging, prod on Databricks."),
]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Address of an endpoint of ours elsewhere.", show_default=False),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Section of the Databricks configuration file (default: that named as the target).",
        show_default=False,
    ),
]
Seconds = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0, help="How long to wait.")]


@endpoint.command("start")
def start(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0: any.")] = 8080,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that answer.")] = 1,
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="An alias, which is followed; a version; or a folder.")
    ] = "champion",
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another setting; may be repeated.", show_default=False),
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, and log to stderr: for containers and service managers.")
    ] = False,
    timeout: Seconds = 300.0,
    catalog: Catalog = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Start the endpoint of this machine, and wait until it answers.

    It serves the model in force, and a new one as soon as that is promoted.
    """
    from dataclasses import replace

    from entity_matching.serving.background import log_of
    from entity_matching.serving.background import start as start_endpoint
    from entity_matching.serving.server import Running

    settings = replace(local_settings(catalog, home), host=host, port=port, workers=workers, model=model)
    settings = _with(settings, given or [])
    if foreground:
        _stay(settings)
        return
    terminal = Terminal(as_json)
    running = Running.find(settings)
    if running is not None:
        terminal.say(f"The endpoint '{running.name}' runs already at {running.url} (process {running.pid}).")
    else:
        terminal.note(f"Starting the endpoint '{settings.name}' ...")
        running = start_endpoint(settings, os.environ, timeout)
        terminal.say(f"The endpoint '{running.name}' answers at {running.url} (process {running.pid}).")
        _tell_how(settings, terminal)
        terminal.note(f"Log: {log_of(settings)}")
    terminal.result({"name": running.name, "url": running.url, "pid": running.pid, "log": running.log})


@endpoint.command("stop")
def stop(
    timeout: Seconds = 90.0,
    force: Annotated[bool, typer.Option("--force", help="Kill it if it has not stopped by then.")] = False,
    catalog: Catalog = None,
    home: Home = None,
) -> None:
    """Stop the endpoint of this machine; what it has begun to answer, it finishes."""
    from entity_matching.serving.background import stop as stop_endpoint

    settings = local_settings(catalog, home)
    stopped = stop_endpoint(settings, timeout, force=force)
    Terminal().say(
        f"The endpoint '{settings.name}' does not run."
        if stopped is None
        else f"The endpoint '{stopped.name}' has stopped."
    )


@endpoint.command("status")
def status(
    target: EndpointTarget = "local",
    url: Url = None,
    profile: Profile = None,
    catalog: Catalog = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the endpoint is ready, and which model and reference it serves; exit code 1 if it is not."""
    found = place_of(target, url, profile, catalog, home).status(os.environ)
    _show(found, Terminal(as_json))
    if found["status"] not in ("ready", "outdated"):
        raise typer.Exit(1)


@endpoint.command("wait")
def wait(
    target: EndpointTarget = "local",
    url: Url = None,
    timeout: Seconds = 900.0,
    profile: Profile = None,
    catalog: Catalog = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Wait until the endpoint is ready."""
    terminal = Terminal(as_json)
    _show(place_of(target, url, profile, catalog, home).wait(os.environ, timeout, terminal.note), terminal)


def local_settings(catalog: str | None, home: Path | None) -> ServingSettings:
    """Return the settings of the endpoint on this machine."""
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.serving.settings import ServingSettings

    return ServingSettings(lakehouse=settings_of(catalog, None, home))


def place_of(target: str, url: str | None, profile: str | None, catalog: str | None, home: Path | None) -> Place:
    """Return where an endpoint is."""
    from entity_matching.serving.targets import Place

    return Place(target, local_settings(catalog, home), url, profile)


def _with(settings: ServingSettings, given: list[str]) -> ServingSettings:
    """Return settings with some replaced that were given as ``NAME=VALUE``."""
    from dataclasses import replace

    numbers = {name: value for name, value in vars(settings).items() if isinstance(value, int | float)}
    changed: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or name not in numbers:
            raise typer.BadParameter(
                f"'{item}': expected NAME=VALUE with one of {', '.join(numbers)}.", param_hint="'--set'"
            )
        try:
            changed[name] = type(numbers[name])(value)
        except ValueError as error:
            raise typer.BadParameter(f"'{item}': '{value}' is no number.", param_hint="'--set'") from error
    return replace(settings, **changed)


def _stay(settings: ServingSettings) -> None:
    import logging

    from entity_matching.serving.logs import configure
    from entity_matching.serving.server import serve

    logging.getLogger("entity_matching").handlers.clear()  # the log is for machines, and has its own form
    configure(settings.log)
    serve(settings, lambda running: Terminal().note(f"The endpoint '{running.name}' answers at {running.url}."))


def _tell_how(settings: ServingSettings, terminal: Terminal) -> None:
    from entity_matching.serving.tokens import Tokens, utc_now

    if not any(token.holds(utc_now()) for token in Tokens(settings.tokens).all()):
        terminal.say("There is no token yet, and without one nobody is answered. Make one for yourself:")
        terminal.say("  export ENTITY_MATCHING_TOKEN=$(entity-matching endpoint token create me)")
    terminal.say('Then ask: entity-matching endpoint query --record \'{"ATTRIBUTE": "VALUE"}\'')


def _show(found: dict[str, Any], terminal: Terminal) -> None:
    table = grid("Endpoint", "", "")
    table.show_header = False
    for name, value in found.items():
        if value is not None:
            text = f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC" if name == "since" else str(value)
            table.add_row(name.replace("_", " "), escape(text))
    terminal.show(table)
    terminal.result(found)
