"""``entity-matching endpoint token``: who may ask the endpoint of this machine."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from entity_matching.cli.console import Terminal, grid
from entity_matching.cli.options import AsJson, Home

if TYPE_CHECKING:
    from pathlib import Path

    from entity_matching.serving.tokens import Tokens

token = typer.Typer(name="token", help="Create, list and revoke the tokens of the endpoint.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called in lists and logs.", show_default=False)]


@token.command("create")
def create(
    name: Name,
    manage: Annotated[
        bool, typer.Option("--manage", help="Allow to manage (CAN_MANAGE: /metrics, too), not only to ask (CAN_QUERY).")
    ] = False,
    days: Annotated[
        float | None,
        typer.Option("--days", metavar="N", min=0, help="It expires after so many days.", show_default=False),
    ] = None,
    home: Home = None,
) -> None:
    """Make a token and print it on stdout: it is shown this once, and only its hash is kept."""
    from entity_matching.serving.tokens import Permission, utc_now

    permission = Permission.CAN_MANAGE if manage else Permission.CAN_QUERY
    expires = None if days is None else utc_now() + timedelta(days=days)
    secret = _tokens(home).create(name, permission, expires)
    until = "" if expires is None else f", valid until {_time(expires)} UTC"
    Terminal().note(f"Token '{name}' ({permission}{until}). It cannot be shown again:")
    sys.stdout.write(secret + "\n")


@token.command("list")
def list_tokens(home: Home = None, as_json: AsJson = False) -> None:
    """List the tokens, those that are not valid any more, too."""
    from entity_matching.serving.tokens import utc_now

    terminal = Terminal(as_json)
    rows = []
    now = utc_now()
    for found in _tokens(home).all():
        state = "revoked" if found.revoked is not None else "valid" if found.holds(now) else "expired"
        rows.append(
            {"name": found.name, "permission": str(found.permission), "state": state,
             "created": _time(found.created), "expires": _time(found.expires), "revoked": _time(found.revoked)}
        )  # fmt: skip
    if rows:
        table = grid("Tokens (times in UTC)", *rows[0])
        for row in rows:
            table.add_row(*(value or "" for value in row.values()))
        terminal.show(table)
    else:
        terminal.say("There are no tokens. Make one: entity-matching endpoint token create NAME")
    terminal.result({"tokens": rows})


@token.command("revoke")
def revoke(name: Name, home: Home = None) -> None:
    """Make a token invalid; requests with it are refused from now on."""
    _tokens(home).revoke(name)
    Terminal().say(f"Token '{name}' is revoked.")


def _tokens(home: Path | None) -> Tokens:
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.serving.settings import ServingSettings
    from entity_matching.serving.tokens import Tokens

    return Tokens(ServingSettings(lakehouse=settings_of(None, None, home)).tokens)


def _time(time: datetime | None) -> str:
    return "" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"
