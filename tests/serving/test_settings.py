from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from entity_matching.errors import SettingsError
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.serving.settings import VARIABLE, ServingSettings


def test_settings_reach_other_processes_as_they_are(tmp_path: Path) -> None:
    lakehouse = LakehouseSettings("c", home=tmp_path, volume=tmp_path / "volume")
    settings = ServingSettings(lakehouse, workers=3, batch_wait_ms=0.5, log=tmp_path / "log")
    for given in (settings, replace(settings, lakehouse=LakehouseSettings(), log=None)):
        assert ServingSettings.from_environment({VARIABLE: given.to_json()}) == given


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"lakehouse": {}}'])
def test_settings_that_cannot_be_read_are_told(text: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        ServingSettings.from_json(text)
    with pytest.raises(SettingsError, match=f"{VARIABLE} is not set"):
        ServingSettings.from_environment({})


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a/b"},
        {"name": "x" * 64},
        {"port": 70_000},
        {"workers": 0},
        {"timeout_s": 0.0},
        {"read_timeout_s": float("nan")},
        {"batch_wait_ms": -1.0},
        {"memory": 1_000},
    ],
)
def test_a_setting_out_of_its_range_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong)).replace("port", "the port")):
        ServingSettings(**wrong)
