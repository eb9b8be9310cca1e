from __future__ import annotations

from pathlib import Path

import pytest

from entity_matching.errors import SettingsError
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.lakehouse.settings import DATABRICKS, HOME_VARIABLE, LOCAL, RUNTIME_VARIABLE


def test_by_default_everything_is_in_a_folder_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = LakehouseSettings.from_environment({})
    assert settings.target == LOCAL
    assert settings.home == tmp_path / ".entity-matching"
    assert settings.warehouse == settings.home / "warehouse" / "entity_matching"
    assert settings.artifacts.is_relative_to(settings.home)


def test_what_is_given_goes_before_the_environment(tmp_path: Path) -> None:
    environment = {HOME_VARIABLE: str(tmp_path / "other"), RUNTIME_VARIABLE: "17.3"}
    settings = LakehouseSettings.from_environment(environment, home=str(tmp_path), target="local", catalog="C1")
    assert (settings.home, settings.target, settings.catalog) == (tmp_path, LOCAL, "c1")
    assert LakehouseSettings.from_environment(environment).home == tmp_path / "other"


def test_on_databricks_the_session_and_the_volume_there_are_used() -> None:
    settings = LakehouseSettings.from_environment({RUNTIME_VARIABLE: "17.3"}, catalog="anna_dev")
    assert settings.target == DATABRICKS
    assert settings.artifacts == Path("/Volumes/anna_dev/models/artifacts")
    given = LakehouseSettings.from_environment({RUNTIME_VARIABLE: "17.3"}, volume="/Volumes/x/y/z")
    assert given.artifacts == Path("/Volumes/x/y/z")


def test_an_unknown_target_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r"'snowflake' is unknown.*sc://host:port"):
        LakehouseSettings(target="snowflake")
