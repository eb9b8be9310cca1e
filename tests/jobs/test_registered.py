"""Models on disk as what the registry says."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.registering import NOW

from entity_matching.errors import ArtifactError, EntityMatchingError, SettingsError
from entity_matching.jobs import models
from entity_matching.jobs.promotion import promote, rollback
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.versions import Versions

NAME = "entity_matching.models.entity_matching_ditto"


@pytest.fixture
def settings(two_versions: Path, tmp_path: Path) -> LakehouseSettings:
    shutil.copytree(two_versions, tmp_path / "home")
    return LakehouseSettings(home=tmp_path / "home")


def text_of(folder: Path) -> str:
    return str(json.loads((folder / models.MANIFEST).read_text())["text"])


@pytest.fixture
def without_mlflow(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have every question to the registry fail from now on."""

    def refuse(*_given: Any) -> Any:
        raise AssertionError("the registry was asked")

    return lambda: monkeypatch.setattr(Versions, "open", refuse)


def test_the_champion_is_in_force_and_is_fetched(settings: LakehouseSettings) -> None:
    assert models.current(settings) == "1"
    folder = models.model_folder(settings)
    assert folder == settings.artifacts / "models" / "1"
    assert text_of(folder) == "first"
    assert models.version_of(settings, folder) == "1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("champion", "first"), ("challenger", "second"), ("2", "second"),
        (f"models:/{NAME}@challenger", "second"), (f"models:/{NAME}/1", "first"),
    ],
)  # fmt: skip
def test_a_model_goes_by_alias_number_and_address(settings: LakehouseSettings, name: str, text: str) -> None:
    assert text_of(models.model_folder(settings, name)) == text


def test_an_address_names_its_catalog(settings: LakehouseSettings) -> None:
    other = LakehouseSettings(home=settings.home, catalog="other")
    assert text_of(models.model_folder(other, f"models:/{NAME}@champion")) == "first"
    with pytest.raises(EntityMatchingError, match="catalog 'other' has no model"):
        models.model_folder(other, "champion")
    with pytest.raises(SettingsError, match="is not the address of a model"):
        models.model_folder(other, "models:/x@champion")


def test_a_registry_that_did_not_change_is_not_asked_and_costs_nothing(
    settings: LakehouseSettings, without_mlflow: Callable[[], None]
) -> None:
    models.model_folder(settings)
    without_mlflow()
    started = time.perf_counter()
    models.model_folder(settings)
    assert time.perf_counter() - started < 0.1  # some 0.5 ms on an idle machine
    models.model_folder(settings, "1")


def test_a_promotion_and_a_rollback_take_effect_at_once(
    settings: LakehouseSettings, without_mlflow: Callable[[], None]
) -> None:
    with Versions.open(settings) as versions:
        assert promote(versions, settings, "2", by="ann", at=NOW) == "1"
    assert text_of(models.model_folder(settings)) == "second"
    with Versions.open(settings) as versions:
        assert rollback(versions, settings, by="ann", at=NOW) == ("2", "1")
    assert text_of(models.model_folder(settings)) == "first"
    without_mlflow()
    assert models.current(settings) == "1"


def test_what_was_done_in_mlflow_itself_is_noticed(settings: LakehouseSettings) -> None:
    assert models.current(settings) == "1"
    with Versions.open(settings) as versions:
        versions.client.set_registered_model_alias(NAME, "champion", "2")
    assert models.current(settings) == "2"
    with Versions.open(settings) as versions:
        versions.client.delete_registered_model_alias(NAME, "champion")
    assert models.current(settings) is None


def test_a_model_published_without_the_registry_stays_in_force(settings: LakehouseSettings) -> None:
    with Versions.open(settings) as versions:
        versions.client.delete_registered_model_alias(NAME, "champion")
    folder = models.model_folder(settings, "1")
    (settings.artifacts / "models" / "mine").mkdir()
    shutil.copy(folder / models.MANIFEST, settings.artifacts / "models" / "mine")
    models.put_in_force(settings, "mine")
    assert models.current(settings) == "mine"


@pytest.mark.parametrize("harm", ["missing", "changed", "half"])
def test_a_kept_model_that_is_not_whole_is_fetched_again(settings: LakehouseSettings, harm: str) -> None:
    folder = models.model_folder(settings, "1")
    if harm == "missing":
        shutil.rmtree(folder)
    elif harm == "half":
        (folder / "training.json").unlink()
    else:
        (folder / models.MANIFEST).write_text('{"text": "f1rst"}')
    assert text_of(models.model_folder(settings, "1")) == "first"
    assert (folder / "training.json").is_file()


def test_without_a_registry_a_model_that_is_not_whole_is_an_error(settings: LakehouseSettings) -> None:
    folder = models.model_folder(settings)
    shutil.rmtree(settings.home / "mlflow")
    assert models.model_folder(settings) == folder  # what is on disk counts
    (folder / "training.json").unlink()
    with pytest.raises(ArtifactError, match=r"not whole.*training\.json"):
        models.model_folder(settings)


def test_without_its_files_in_the_registry_a_version_is_used_from_disk_or_not_at_all(
    settings: LakehouseSettings,
) -> None:
    models.model_folder(settings, "1")
    shutil.rmtree(settings.home / "mlflow" / "artifacts")
    assert text_of(models.model_folder(settings, "1")) == "first"
    with pytest.raises(ArtifactError, match="files of version 2 .* are missing"):
        models.model_folder(settings, "2")


def test_a_version_that_is_not_there_is_an_error(settings: LakehouseSettings) -> None:
    with pytest.raises(EntityMatchingError, match="no version 9 .*models list"):
        models.model_folder(settings, "9")
    with pytest.raises(EntityMatchingError, match="no model 'canary'"):
        models.model_folder(settings, "canary")


def test_a_lost_registry_is_named_and_a_version_on_disk_can_be_used(settings: LakehouseSettings) -> None:
    models.model_folder(settings, "1")
    (settings.home / "mlflow" / "mlflow.db").write_bytes(b"broken" * 1_000)
    with pytest.raises(EntityMatchingError, match="is damaged.*--model VERSION"):
        models.model_folder(settings)
    assert text_of(models.model_folder(settings, "1")) == "first"


def test_asking_for_the_model_in_force_does_not_import_mlflow(settings: LakehouseSettings) -> None:
    import subprocess  # noqa: PLC0415

    models.model_folder(settings)
    code = (
        "import sys; from pathlib import Path; from entity_matching.jobs.models import model_folder;"
        "from entity_matching.lakehouse import LakehouseSettings;"
        f"print(model_folder(LakehouseSettings(home=Path({str(settings.home)!r}))).name, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"
