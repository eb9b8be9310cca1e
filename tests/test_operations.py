"""What docs/operations.md says to type exists: commands, options, settings, routes, metrics."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from entity_matching.cli.main import app
from entity_matching.serving.authorization import MANAGED, OPEN
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.settings import ServingSettings

TEXT = (Path(__file__).parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(set(re.findall(r"(?:^|[`(/])entity-matching ([^`#\n)]+)", TEXT, re.MULTILINE)))
TUNED = ("max_body", "memory", "timeout_s", "read_timeout_s", "keep_alive_s", "queue", "threads", "batch_rows",
         "batch_wait_ms", "match_records", "match_candidates", "match_rows", "refresh_s",
         "remote_refresh_s")  # fmt: skip
OPTIONED = ("lakehouse", "name", "host", "port", "workers", "model", "log")


def endpoint_options() -> list[tuple[str, str]]:
    found = []
    waiting = [("endpoint", GROUP.commands["endpoint"])]
    while waiting:
        name, command = waiting.pop()
        waiting += [(f"{name} {below}", one) for below, one in getattr(command, "commands", {}).items()]
        found += [
            (name, option) for one in command.params for option in one.opts
            if option.startswith("--") and option not in ("--help",)
        ]  # fmt: skip
    return found


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_can_be_typed(line: str) -> None:
    words = shlex.split(re.sub(r"\$\([^)]*\)", "X", line))
    command: Any = GROUP
    while hasattr(command, "commands") and words:
        assert words[0] in command.commands, line
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), line
    command.make_context(line, words)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize(("command", "option"), endpoint_options())
def test_an_option_of_the_endpoint_is_documented(command: str, option: str) -> None:
    assert re.search(rf"`[^`]*{option}\b", TEXT), f"{command} {option}"


def test_every_setting_is_documented_with_its_default() -> None:
    assert {field.name for field in fields(ServingSettings)} == {*TUNED, *OPTIONED}
    for name in TUNED:
        assert (
            f"| `{name}` | {getattr(ServingSettings(), name):g} |".replace("1.67772e+07", "16777216").replace(
                "2.68435e+08", "268435456"
            )
            in TEXT
        )


def test_alerts_read_metrics_that_there_are() -> None:
    groups = yaml.safe_load(TEXT.split("# entity-matching.rules.yml\n")[1].split("```")[0])["groups"]
    metrics = Metrics()
    there = {metric.name for metric in metrics.registry.collect()}
    for rule in groups[0]["rules"]:
        for name in re.findall(r"entity_matching_\w+", rule["expr"]):
            assert re.sub("_(total|bucket)$", "", name) in there, rule["alert"]
        assert f"| {rule['alert']} |" in TEXT
    assert yaml.safe_load(TEXT.split("# prometheus.yml\n")[1].split("```")[0])["scrape_configs"]


def test_routes_without_a_token_are_named() -> None:
    for path in OPEN - {"/.well-known/databricks-config"} | MANAGED:
        assert f"`{path}`" in TEXT or f"`GET {path}`" in TEXT
