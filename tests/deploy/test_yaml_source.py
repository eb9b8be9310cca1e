"""YAML whose values know their places, and what is refused in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from entity_matching.deploy.yaml_source import BundleError, Place, merged, node_of, parse_yaml, read_yaml


def test_every_value_knows_its_line() -> None:
    tree = parse_yaml(
        "jobs:\n  first:\n    tasks:\n      - {task_key: a}\n      -\n        task_key: b\n", name="x.yml"
    )

    second = tree.get("jobs", "first", "tasks", 1)

    assert second is not None and str(second.place) == "x.yml:6"
    assert str(tree.get("jobs", "first").place) == "x.yml:2"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("2026-11-23", "2026-11-23"),
        ("1:30", "1:30"),
        ("true", True),
        ("~", None),
        ("12", 12),
        ("0.5", 0.5),
        ('"12"', "12"),
    ],
)
def test_plain_values_are_those_the_databricks_cli_reads(text: str, value: Any) -> None:
    assert parse_yaml(f"a: {text}", name="x.yml").plain() == {"a": value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1\n", "x.yml:2: there is a tab"),
        ("a:\n  b: 1\n\tc: 2\n", "x.yml:3: there is a tab"),
        ("a: 1\nb: 2\na: 3\n", "x.yml:3: the key 'a' is there twice, first in line 1"),
        ("a: &one\n  b: *one\n", "x.yml:1: this value holds itself"),
        ("a: [1, 2\nb: 3\n", "x.yml:2: not valid YAML"),
        ("a: b: c\n", "x.yml:1: not valid YAML"),
        ("? [a]\n: 1\n", "x.yml:1: a key must be a single word"),
        ("a: !!python/object:os.system 1\n", "x.yml:1: '1' cannot be read"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BundleError) as raised:
        parse_yaml(text, name="x.yml")

    assert raised.value.message.startswith(said)


def test_an_alias_is_what_it_stands_for() -> None:
    assert parse_yaml("a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n  k: 2\n", name="x").plain() == {
        "a": {"k": 1},
        "b": {"k": 1},
        "c": {"k": 2},
    }


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no file resources/a.yml"):
        read_yaml(tmp_path / "a.yml", name="resources/a.yml")


def test_two_files_may_not_define_the_same() -> None:
    first, second = (node_of({"variables": {"a": 1}}, Place(name, 3)) for name in ("x.yml", "y.yml"))

    with pytest.raises(BundleError, match=r"y.yml:3: 'variables.a' is defined a second time, after x.yml:3"):
        merged(first, second, override=False)


def test_a_target_changes_a_task_by_its_key() -> None:
    job = node_of({"tasks": [{"task_key": "a", "retries": 1}, {"task_key": "b", "retries": 1}]}, Place("x"))
    change = node_of({"tasks": [{"task_key": "b", "retries": 5}]}, Place("y"))

    assert merged(job, change, override=True).plain() == {
        "tasks": [{"task_key": "a", "retries": 1}, {"task_key": "b", "retries": 5}]
    }
