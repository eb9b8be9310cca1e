from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from tests.filling import fill

from entity_matching.config import MatcherSettings, SearchSettings
from entity_matching.errors import ArtifactError, EntityMatchingError
from entity_matching.jobs.references import reference_version
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import REFERENCE_ENTITIES
from entity_matching.matcher.reference import Reference
from entity_matching.schema import Schema
from entity_matching.serving import references
from entity_matching.serving.references import ready, table_state
from entity_matching.serving.settings import ServingSettings

pytestmark = pytest.mark.spark

MATCHER: Any = SimpleNamespace(
    schema=Schema.from_yaml("attributes: {name: name}"), settings=MatcherSettings(search=SearchSettings(limit=5))
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[LakehouseSettings]:
    """Return a catalog that was set up, without records."""
    settings = LakehouseSettings(home=tmp_path)
    with open_lakehouse(settings) as lake:
        lake.create()
    yield settings


def load(settings: LakehouseSettings, *names: str) -> None:
    rows = pa.table(
        {
            "entity_id": [f"E{number}" for number, _ in enumerate(names)],
            "attributes": pa.array([[("name", name)] for name in names], pa.map_(pa.string(), pa.string())),
            "content_hash": list(names),
            "row_hash": list(names),
            "loaded_at": pa.array([0] * len(names), pa.timestamp("us", "UTC")),
            "run_id": ["load"] * len(names),
        }
    )
    with open_lakehouse(settings) as lake:
        fill(lake, REFERENCE_ENTITIES, rows, complete=True)


def test_the_reference_is_made_when_missing_and_again_when_the_table_changes(
    home: LakehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ServingSettings(lakehouse=home)
    load(home, "Siemens", "BP")
    first = ready(settings, MATCHER)
    assert first is not None
    assert Reference.load(first.folder).table.num_rows == 2
    with monkeypatch.context() as patch:
        patch.setattr(references, "_by_maker", lambda *_: pytest.fail("nothing has changed"))
        assert ready(settings, MATCHER) == first
    load(home, "Siemens", "BP", "Shell")
    second = ready(settings, MATCHER)
    assert second is not None
    assert second.version != first.version
    assert Reference.load(second.folder).table.num_rows == 3
    with open_lakehouse(home) as lake:
        assert reference_version(lake, MATCHER.schema, MATCHER.settings.search) == second.version


def test_a_damaged_reference_is_made_anew(home: LakehouseSettings) -> None:
    settings = ServingSettings(lakehouse=home)
    load(home, "Siemens", "BP")
    first = ready(settings, MATCHER)
    assert first is not None
    file = first.folder / "index" / "words" / "words.npy"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ArtifactError, match=re.escape(str(first.folder))):
        Reference.load(first.folder)
    assert ready(settings, MATCHER, damaged=first.version) == first
    assert Reference.load(first.folder).table.num_rows == 2


def test_a_catalog_without_reference_has_none_and_is_asked_once(
    home: LakehouseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ready(ServingSettings(lakehouse=LakehouseSettings(home=tmp_path / "none")), MATCHER) is None
    assert ready(ServingSettings(lakehouse=home), MATCHER) is None
    monkeypatch.setattr(references, "_by_maker", lambda *_: pytest.fail("it was asked before"))
    assert ready(ServingSettings(lakehouse=home), MATCHER) is None


def test_what_went_wrong_is_told_and_tried_again(home: LakehouseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    load(home, "Siemens")
    with monkeypatch.context() as patch:
        patch.setenv("SAIL_CATALOG__DEFAULT_DATABASE", "[")
        with pytest.raises(EntityMatchingError):
            ready(ServingSettings(lakehouse=home), MATCHER)
    assert ready(ServingSettings(lakehouse=home), MATCHER) is not None


def test_the_state_of_a_table_is_what_delta_says(home: LakehouseSettings) -> None:
    folder = home.warehouse / "bronze" / "reference_entities"
    states = []
    for names in (["Siemens"], ["Siemens", "BP"]):
        load(home, *names)
        delta = deltalake.DeltaTable(folder)
        states.append(table_state(folder))
        assert states[-1] == f"{delta.metadata().id}-{delta.version()}"
    assert states[0] != states[1]
    delta.create_checkpoint()
    for commit in (folder / "_delta_log").glob("*.json"):
        commit.unlink()
    assert table_state(folder) == states[1]
    assert table_state(folder.parent / "other") is None
