"""``entity-matching describe``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from entity_matching.cli.console import Terminal
from entity_matching.cli.options import AsJson


def describe(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model: its folder, 'champion' or a version's number.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what a model was trained on, what it compares, and how it decides."""
    import yaml

    from entity_matching.cli.models import load_model

    terminal = Terminal(as_json)
    described: dict[str, Any] = load_model(model).describe()
    if not as_json:
        terminal.say(yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=100).rstrip())
    terminal.result(described)
