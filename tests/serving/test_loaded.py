"""What is served while models and references come, and are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from entity_matching.errors import ArtifactError, EntityMatchingError
from entity_matching.jobs.models import MANIFEST, publish, put_in_force
from entity_matching.jobs.references import SavedReference
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.normalize import categories
from entity_matching.registry.location import RegistryLocation
from entity_matching.serving.loaded import Current
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.settings import ServingSettings


@pytest.fixture
def half(trained: Any, tmp_path: Path) -> SavedReference:
    """Return a saved reference of which a file is missing."""
    saved = SavedReference("abc", tmp_path / "references" / "abc")
    trained.first.prepare(trained.reference.slice(0, 50)).save(saved.folder)
    (saved.folder / "index" / "lexical" / "data.npy").unlink()
    return saved


@pytest.fixture
def serving(trained: Any, tmp_path: Path) -> Iterator[Callable[[Any], Current]]:
    lakehouse = LakehouseSettings(home=tmp_path / "home")
    publish(lakehouse, trained.first, "first")
    made: list[Current] = []

    def load(find: Any) -> Current:
        made.append(Current(ServingSettings(lakehouse), Metrics(), find))
        made[-1].load()
        return made[-1]

    yield load
    for current in made:
        current.close()


def test_a_damaged_reference_is_made_anew(
    trained: Any, half: SavedReference, serving: Callable[[Any], Current]
) -> None:
    def find(_: Any, matcher: Any, damaged: str | None = None) -> SavedReference:
        if damaged == half.version:
            matcher.prepare(trained.reference.slice(0, 50)).save(half.folder)
        return half

    current = serving(find)
    found = current.get().reference
    assert found is not None and found.table.num_rows == 50
    assert (current.problem, current.get().reference_version) == (None, "abc")


def newer(folder: Path) -> None:
    """Make a model one that a later version of this package has written."""
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 999}), encoding="utf-8")


def test_a_model_of_a_newer_format_is_told_and_what_is_served_goes_on(
    trained: Any, serving: Callable[[Any], Current]
) -> None:
    current = serving(lambda *_, **__: None)
    lakehouse = current.settings.lakehouse
    newer(publish(lakehouse, trained.second, "second"))
    current.refresh()
    assert current.get().model_version == "first" and current.is_ready
    assert current.problem is not None and "newer" in current.problem
    with pytest.raises(ArtifactError, match="newer"):
        serving(lambda *_, **__: None)
    put_in_force(lakehouse, "first")
    current.refresh()
    assert current.problem is None


def test_a_registry_that_cannot_be_read_is_told_and_what_is_served_goes_on(serving: Callable[[Any], Current]) -> None:
    current = serving(lambda *_, **__: None)
    database = RegistryLocation.of(current.settings.lakehouse).database
    assert database is not None
    database.parent.mkdir(parents=True)
    database.write_bytes(b"no database at all" * 100)
    current.refresh()
    assert current.get().model_version == "first" and current.is_ready
    assert current.problem is not None and str(database) in current.problem
    database.unlink()
    current.refresh()
    assert current.problem is None


def test_nothing_is_left_to_be_read_at_the_first_request(
    trained: Any, tmp_path: Path, serving: Callable[[Any], Current]
) -> None:
    categories._further_countries.cache_clear()
    saved = SavedReference("abc", tmp_path / "abc")
    trained.first.prepare(trained.reference.slice(0, 50)).save(saved.folder)
    assert serving(lambda *_, **__: saved).get().reference is not None
    assert categories._further_countries.cache_info().currsize == 1


def test_one_that_cannot_be_is_told_with_what_to_do_until_it_is_whole(
    trained: Any, half: SavedReference, serving: Callable[[Any], Current]
) -> None:
    def find(_: Any, __: Any, damaged: str | None = None) -> SavedReference:
        if damaged is not None:
            raise EntityMatchingError("Sail is not installed.")
        return half

    current = serving(find)
    assert current.is_ready and current.get().reference is None
    assert current.problem is not None
    for told in (str(half.folder), "damaged", "Sail is not installed", "entity-matching run run-pipeline"):
        assert told in current.problem
    trained.first.prepare(trained.reference.slice(0, 50)).save(half.folder)
    current.refresh()
    assert current.get().reference is not None and current.problem is None
