"""Where models are registered."""

from __future__ import annotations

from pathlib import Path

import pytest

from entity_matching.errors import SettingsError
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.location import ModelUri, RegistryLocation


@pytest.mark.parametrize("target", ["local", "sc://somewhere:15002"])
def test_without_databricks_it_is_a_database_of_the_home(target: str, tmp_path: Path) -> None:
    location = RegistryLocation.of(LakehouseSettings(catalog="sales", target=target, home=tmp_path))
    assert location.tracking_uri == location.registry_uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert location.artifacts == tmp_path / "mlflow" / "artifacts"
    assert location.model == "sales.models.entity_matching_ditto"
    assert location.uri("3") == "models:/sales.models.entity_matching_ditto/3"
    assert not location.is_there and location.stamp() is None


def test_on_databricks_it_is_unity_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    location = RegistryLocation.of(LakehouseSettings(catalog="sales", target="databricks"))
    assert (location.tracking_uri, location.registry_uri) == ("databricks", "databricks-uc")
    assert location.model == "sales.models.entity_matching_ditto"
    assert location.experiment == "/Shared/sales-train-ditto-model"
    assert (location.database, location.is_there, location.stamp()) == (None, True, None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "/Users/ann/ditto")
    assert RegistryLocation.of(LakehouseSettings(target="databricks")).experiment == "/Users/ann/ditto"


def test_the_stamp_changes_when_the_database_is_written_to(tmp_path: Path) -> None:
    location = RegistryLocation.of(LakehouseSettings(home=tmp_path))
    assert location.database is not None
    location.database.parent.mkdir()
    location.database.write_bytes(b"a")
    before = location.stamp()
    assert location.is_there and before == location.stamp()
    location.database.write_bytes(b"ab")
    assert location.stamp() != before


@pytest.mark.parametrize(
    ("text", "catalog", "wanted"),
    [
        ("models:/sales.models.entity_matching_ditto@champion", "sales", "champion"),
        ("models:/sales.models.entity_matching_ditto/12", "sales", "12"),
    ],
)
def test_the_address_of_a_model_is_taken_apart(text: str, catalog: str, wanted: str) -> None:
    assert ModelUri.parse(text) == ModelUri(catalog, wanted)


@pytest.mark.parametrize(
    "text",
    [
        "models:/",
        "models:/a@b",
        "models:/sales.models.other/1",
        "models:/s.models.entity_matching_ditto",
        "models:/x/y/z",
    ],
)
def test_another_address_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(SettingsError, match=r"models:/CATALOG\.models\.entity_matching_ditto@champion"):
        ModelUri.parse(text)
