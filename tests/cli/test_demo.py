from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entity_matching.errors import EntityMatchingError

Command = Callable[..., Any]

pytestmark = pytest.mark.spark

SCHEMA = """
key: {source: source_id, reference: entity_id}
attributes: [{name: name, kind: name}, {name: city, kind: category}]
"""


@pytest.fixture
def example(towns: Any, tmp_path: Path) -> Path:
    """A folder as examples/companies, of forty houses in four towns; the last labels are held back."""
    folder = tmp_path / "examples" / "companies"
    folder.mkdir(parents=True)
    for name in ("source", "reference"):
        shutil.copy(getattr(towns, name), folder)
    head, *rows = towns.labels.read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join([head, *rows[:10]]) + "\n")
    (folder / "heldout.csv").write_text("\n".join([head, *rows[10:]]) + "\n")
    (folder / "schema.yml").write_text(SCHEMA)
    (folder / "training.yml").write_text("{}")
    return folder


def test_the_example_goes_through_the_tables_and_what_is_shown_next_works(
    command: Command, monkeypatch: pytest.MonkeyPatch, example: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(example.parent)
    done = command("demo", "--no-ditto", "--home", tmp_path / "home")
    assert done.code == 0, done.err
    for text in ("Some of the decisions", "no labels", "10 labels", "truth was held back", "no_match"):
        assert text in done.out
    assert "+ Ditto" not in done.out
    assert "left out" not in done.err
    shown = [line.split(maxsplit=1)[1] for line in done.out.splitlines() if line.startswith("  entity-matching")]
    assert len(shown) == 2
    for line in shown:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
        assert command(*words).code == 0, line
    counted = command("sql", "SELECT count(*) AS n FROM gold.matched_entities", "--catalog", "entity_matching_demo",
                      "--home", tmp_path / "home", "--csv")  # fmt: skip
    assert counted.out.split() == ["n", "21"]


def test_json_has_every_round_and_the_last_one_has_ditto(
    command: Command, example: Path, tmp_path: Path, small_encoder: Path
) -> None:
    quick = {
        "ditto": {"encoder": str(small_encoder), "epochs": 1, "max_tokens": 48, "precision": "fp32", "threads": 1},
        "cascade": {"low": 0.05, "high": 0.95, "folds": 2, "pretraining_epochs": 1, "pretraining_records": 40},
    }
    (example / "training.yml").write_text(json.dumps(quick))
    stale = tmp_path / "home" / "warehouse" / "entity_matching_demo" / "gold" / "stale"
    stale.mkdir(parents=True)
    data = json.loads(command("demo", "--data", example, "--json", "--home", tmp_path / "home").out)
    assert list(data) == ["no labels", "10 labels", "10 labels + Ditto"]
    figures = {"decisions", "methods", "changed", "seconds", "precision", "recall", "f1"}
    assert all(set(one) == figures for one in data.values())
    assert all(sum(one["decisions"].values()) == 21 for one in data.values())
    assert data["10 labels"]["f1"] > 0.5
    assert data["no labels"]["changed"] == 0
    assert not stale.exists()


def test_without_the_packages_for_ditto_it_is_left_out_and_said(
    command: Command, monkeypatch: pytest.MonkeyPatch, example: Path, tmp_path: Path
) -> None:
    def stop(names: list[str], *_: object) -> None:
        raise EntityMatchingError(f"rounds: {names}")

    monkeypatch.setattr("entity_matching.cli.demo._NEEDED", ("no_such_package",))
    monkeypatch.setattr("entity_matching.cli.demo._rounds", stop)
    done = command("demo", "--data", example, "--home", tmp_path / "home")
    assert "no_such_package not installed" in done.err
    assert "entity-matching[train]" in done.err
    assert "rounds: ['no labels', '10 labels']" in done.err


def test_without_the_packages_for_tables_it_names_what_to_install(
    command: Command, monkeypatch: pytest.MonkeyPatch, example: Path
) -> None:
    monkeypatch.setattr("entity_matching.cli.demo._TABLES", ("no_such_package",))
    done = command("demo", "--data", example)
    assert done.code == 1
    assert "no_such_package" in done.err
    assert "entity-matching[local]" in done.err


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
