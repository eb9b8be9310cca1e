"""Every command and option is in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer.main

from entity_matching.cli.main import app

ROOT = Path(__file__).parents[2]
GROUP: Any = typer.main.get_command(app)
OWN = [option for parameter in GROUP.params for option in parameter.opts if option.startswith("--")]


@pytest.fixture(scope="module")
def docs() -> str:
    """Return the README and all pages of docs, as one text."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("name", GROUP.commands)
def test_a_command_is_documented(docs: str, name: str) -> None:
    assert f"entity-matching {name}" in docs


@pytest.mark.parametrize(
    "option",
    sorted(
        {
            option
            for command in GROUP.commands.values()
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--")
        }
        | set(OWN)
    ),
)
def test_an_option_is_documented(docs: str, option: str) -> None:
    assert option in docs
