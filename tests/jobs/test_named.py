"""The jobs by name, and as entry points of the wheel."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest

from entity_matching.errors import SettingsError
from entity_matching.jobs.named import MODULES, find_job

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCRIPTS = {name: place for name, place in PROJECT["scripts"].items() if name != "entity-matching"}


def test_every_job_is_an_entry_point_and_every_entry_point_a_job() -> None:
    assert SCRIPTS == {name: f"entity_matching.jobs.{module}:main" for name, module in MODULES.items()}


@pytest.mark.parametrize("name", MODULES)
def test_a_job_goes_by_its_name_and_says_what_it_does(name: str) -> None:
    job = find_job(name)
    assert job.name == name
    assert job.description.endswith(".") and "\n" not in job.description
    assert callable(importlib.import_module(f"entity_matching.jobs.{MODULES[name]}").main)


@pytest.mark.parametrize("name", MODULES)
def test_a_job_is_documented(name: str) -> None:
    assert f"| `{name}` |" in (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_every_parameter_is_explained(name: str) -> None:
    for field, info in find_job(name).parameters.model_fields.items():
        assert len(info.description or "") > 5, field


@pytest.mark.parametrize("name", MODULES)
def test_its_entry_point_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module(f"entity_matching.jobs.{MODULES[name]}").main
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "--run-id" in capsys.readouterr().out


def test_an_unknown_name_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(SettingsError, match="no job 'nonsense'.*Jobs are: setup-unity-catalog, train-ditto-model"):
        find_job("nonsense")
