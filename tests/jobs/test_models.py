"""Model versions in folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import models
from entity_matching.lakehouse import LakehouseSettings


class Saved:
    """Stands for a matcher: writes a manifest."""

    def __init__(self, text: str = "{}") -> None:
        self.text = text

    def save(self, folder: Path) -> None:
        """Write the manifest."""
        (folder / models.MANIFEST).write_text(self.text)


class Failing(Saved):
    """Fails half way."""

    def save(self, folder: Path) -> None:
        """Write a part, then fail."""
        super().save(folder)
        raise OSError("disk full")


@pytest.fixture
def settings(tmp_path: Path) -> LakehouseSettings:
    return LakehouseSettings(home=tmp_path)


def _publish(settings: LakehouseSettings, matcher: Any, version: str, **more: Any) -> Path:
    return models.publish(settings, matcher, version, **more)


def test_without_a_model_the_error_says_what_to_run(settings: LakehouseSettings) -> None:
    assert models.current(settings) is None
    assert models.versions(settings) == ()
    with pytest.raises(EntityMatchingError, match="run train-ditto-model"):
        models.model_folder(settings)


def test_the_model_published_last_is_in_force(settings: LakehouseSettings) -> None:
    first, second = (_publish(settings, Saved(), version) for version in ("a1", "b2"))
    os.utime(first / models.MANIFEST, (1, 1))
    assert models.current(settings) == "b2"
    assert models.model_folder(settings) == second
    assert models.model_folder(settings, "a1") == first
    assert models.versions(settings) == ("b2", "a1")


def test_a_version_published_again_is_replaced(settings: LakehouseSettings) -> None:
    folder = _publish(settings, Saved("1"), "v", documents={"old.json": 1})
    _publish(settings, Saved("2"), "v", documents={"new.json": {"a": [1]}})
    assert (folder / models.MANIFEST).read_text() == "2"
    assert models.document(folder, "new.json") == {"a": [1]}
    assert models.document(folder, "old.json") is None
    assert models.versions(settings) == ("v",)


def test_a_failed_publication_changes_nothing(settings: LakehouseSettings) -> None:
    _publish(settings, Saved("1"), "v")
    for version in ("v", "w"):
        with pytest.raises(OSError, match="disk full"):
            _publish(settings, Failing("2"), version)
    assert models.current(settings) == "v"
    assert (models.model_folder(settings) / models.MANIFEST).read_text() == "1"
    assert sorted(path.name for path in models.model_folder(settings).parent.iterdir()) == ["current", "v"]


def test_an_older_version_can_be_put_in_force_again(settings: LakehouseSettings) -> None:
    for version in ("a", "b"):
        _publish(settings, Saved(), version)
    models.put_in_force(settings, "a")
    assert models.current(settings) == "a"
    with pytest.raises(EntityMatchingError, match="no model 'c'.*Versions there are: "):
        models.put_in_force(settings, "c")


def test_a_folder_elsewhere_is_a_model_too(settings: LakehouseSettings, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    Saved("mine").save(elsewhere)
    published = _publish(settings, Saved(), "v")
    assert models.model_folder(settings, str(elsewhere)) == elsewhere
    assert models.version_of(settings, published) == "v"
    other = models.version_of(settings, elsewhere)
    assert other not in ("v", "mine") and len(other) == 12


@pytest.mark.parametrize("version", ["", "../out", "current", ".hidden", "a/b"])
def test_a_version_must_be_a_plain_name(settings: LakehouseSettings, version: str) -> None:
    with pytest.raises(EntityMatchingError, match="cannot be a model's version"):
        _publish(settings, Saved(), version)


def test_an_unknown_version_names_those_there_are(settings: LakehouseSettings) -> None:
    _publish(settings, Saved(), "v1")
    with pytest.raises(EntityMatchingError, match="no model 'v9'.*Versions there are: v1"):
        models.model_folder(settings, "v9")


def test_a_damaged_document_is_an_error(settings: LakehouseSettings) -> None:
    folder = _publish(settings, Saved(), "v", documents={"profile.json": {}})
    (folder / "profile.json").write_text("{")
    with pytest.raises(EntityMatchingError, match=r"profile\.json cannot be read"):
        models.document(folder, "profile.json")
