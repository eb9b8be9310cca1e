from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest

from entity_matching.version import __version__

Command = Callable[..., Any]


def test_versions_and_the_machine_are_shown(command: Command) -> None:
    done = command("doctor")
    assert done.code == 0
    for text in (__version__, platform.python_version(), metadata.version("pyarrow"), "GiB", "processors"):
        assert text in done.out


def test_json_has_the_same(command: Command) -> None:
    data = json.loads(command("doctor", "--json").out)
    assert data["packages"]["pyarrow"] == metadata.version("pyarrow")
    assert data["missing"] == []
    assert data["memory"]["total"] >= data["memory"]["available"] > 0
    assert set(data["parts"]) >= {"local", "train", "databricks"}


def test_a_missing_part_says_how_to_get_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    known = metadata.version

    def without_torch(name: str) -> str:
        if name in ("torch", "numpy"):
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "version", without_torch)
    done = command("doctor", "--json")
    assert done.code == 1
    data = json.loads(done.out)
    assert data["missing"] == ["numpy"]
    assert data["parts"]["train"]["installed"] is False
    assert data["parts"]["train"]["install"] == "pip install 'entity-matching[train]'"
    assert "pip install 'entity-matching[train]'" in " ".join(done.err.split())
