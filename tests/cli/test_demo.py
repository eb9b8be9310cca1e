from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
EXAMPLE = Path(__file__).parents[2] / "examples" / "companies"

pytestmark = pytest.mark.usefixtures("fake_matcher")


def test_the_example_is_found_from_the_current_folder_and_below(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXAMPLE.parent)
    done = command("demo")
    assert done.code == 0, done.err
    for text in ("Some of the decisions", "no labels", "300 labels", "truth was held back", "no_match"):
        assert text in done.out


def test_json_has_every_run(command: Command) -> None:
    data = json.loads(command("demo", "--data", EXAMPLE, "--json").out)
    assert list(data) == ["no labels", "300 labels", "300 labels + Ditto"]
    assert set(data["no labels"]) == {"decisions", "methods", "seconds", "precision", "recall", "f1"}
    assert sum(data["no labels"]["decisions"].values()) == 600


def test_ditto_can_be_left_out(command: Command) -> None:
    data = json.loads(command("demo", "--data", EXAMPLE, "--no-ditto", "--json").out)
    assert list(data) == ["no labels", "300 labels"]


def test_without_the_packages_for_ditto_it_is_left_out_and_said(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entity_matching.cli.demo._NEEDED", ("no_such_package",))
    done = command("demo", "--data", EXAMPLE)
    assert done.code == 0
    assert "300 labels + Ditto" not in done.out
    assert "no_such_package not installed" in done.err
    assert "entity-matching[train]" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo"], "there is no folder examples/companies here or above"),
        (["demo", "--data", "nowhere"], "the example is not there"),
        (["demo", "--data", "."], "the example lacks source.csv"),
    ],
)
def test_without_the_example_it_says_where_to_run(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert done.code == 1
    assert message in done.err
