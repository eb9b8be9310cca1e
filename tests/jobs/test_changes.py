from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.errors import ArtifactError
from entity_matching.jobs.changes import Changes, changes_between, comparable
from entity_matching.matcher.reference import Reference
from entity_matching.schema import Schema

SCHEMA = Schema.model_validate(
    {
        "entity": "company",
        "key": {"source": "id", "reference": "id"},
        "attributes": {"name": {"kind": "name"}, "revenue": {"kind": "number"}},
    }
)
SETTINGS = SearchSettings(limit=5, threads=1)
OLD = {"a": ("Alpha Inc", "1"), "b": ("Beta Ltd", None), "c": ("Gamma AG", "3")}
Rows = dict[str, tuple[str, str | None]]


def made(rows: Rows, settings: SearchSettings = SETTINGS, schema: Schema = SCHEMA) -> Reference:
    columns = {
        "id": list(rows),
        "name": [name for name, _ in rows.values()],
        "revenue": [at for _, at in rows.values()],
    }
    return Reference.prepare(pa.table(columns, pa.schema([(name, pa.string()) for name in columns])), schema, settings)


def saved(folder: Path, rows: Rows = OLD, settings: SearchSettings = SETTINGS, schema: Schema = SCHEMA) -> Path:
    made(rows, settings, schema).save(folder)
    return folder


@pytest.mark.parametrize(
    ("present", "new", "gone", "size"),
    [
        pytest.param(OLD, [], [], 0, id="nothing"),
        pytest.param(dict(reversed(OLD.items())), [], [], 0, id="another order"),
        pytest.param({**OLD, "d": ("Delta SA", None)}, [3], [], 1, id="one added"),
        pytest.param({"a": OLD["a"], "c": OLD["c"]}, [], ["b"], 1, id="one removed"),
        pytest.param({**OLD, "a": ("Omega Inc", "1")}, [0], ["a"], 1, id="one renamed"),
        pytest.param({**OLD, "b": ("Beta Ltd", "2")}, [1], ["b"], 1, id="a value where there was none"),
        pytest.param({**OLD, "a": ("Alpha Inc", None)}, [0], ["a"], 1, id="no value where there was one"),
        pytest.param(
            {"a": OLD["b"], "b": OLD["a"], "c": OLD["c"]}, [0, 1], ["a", "b"], 2, id="two that swap their keys"
        ),
        pytest.param({"d": ("Delta", None), "c": ("C", "3"), "a": OLD["a"]}, [0, 1], ["b", "c"], 3, id="one of each"),
    ],
)
def test_what_differs_between_two_references(present: Rows, new: list[int], gone: list[str], size: int) -> None:
    changes = Changes.between(made(OLD).table, made(present).table)
    assert changes.new.tolist() == new
    assert sorted(changes.gone["__key"].to_pylist()) == gone
    assert (changes.size, changes.share) == (size, size / max(len(OLD), len(present)))


def test_what_is_gone_is_told_as_it_was() -> None:
    changes = Changes.between(made(OLD).table, made({**OLD, "a": ("Omega Inc", "1")}).table)
    assert changes.gone["name.core"].to_pylist() == ["alpha"]


def test_a_reference_that_was_or_becomes_empty_has_changed_wholly() -> None:
    filled, empty = made(OLD).table, made(OLD).table.slice(0, 0)
    assert Changes.between(filled, empty).share == 1
    assert Changes.between(empty, filled).new.tolist() == [0, 1, 2]
    assert Changes.between(empty, empty).share == 0


@pytest.mark.parametrize("name", ["threads", "batch_rows", "memory_mb"])
def test_settings_of_speed_leave_two_references_comparable(tmp_path: Path, name: str) -> None:
    other = saved(tmp_path / "other", {**OLD, "d": ("Delta SA", None)}, replace(SETTINGS, **{name: 77}))
    old = saved(tmp_path / "old")
    assert comparable(old, other)
    assert changes_between(old, other).new.tolist() == [3]


@pytest.mark.parametrize("name", ["limit", "depth", "max_postings"])
def test_settings_that_decide_what_is_found_do_not(tmp_path: Path, name: str) -> None:
    other = saved(tmp_path / "other", settings=replace(SETTINGS, **{name: 77}))
    assert not comparable(saved(tmp_path / "old"), other)


def test_references_of_other_attributes_are_not_comparable(tmp_path: Path) -> None:
    attributes = tuple(item for item in SCHEMA.attributes if item.name == "name")
    other = saved(tmp_path / "other", schema=SCHEMA.model_copy(update={"attributes": attributes}))
    assert not comparable(saved(tmp_path / "old"), other)


def test_an_older_reference_that_is_gone_or_damaged_is_not_comparable(tmp_path: Path) -> None:
    present = saved(tmp_path / "present")
    (tmp_path / "empty").mkdir()
    (tmp_path / "no-records" / "index").mkdir(parents=True)
    no_index, cut, senseless = (saved(tmp_path / name) for name in ("no-index", "cut", "senseless"))
    (no_index / "index" / "index.json").unlink()
    (cut / "records.arrow").write_bytes(b"ARROW1")
    (senseless / "index" / "index.json").write_text(json.dumps(["no settings"]), encoding="utf-8")
    for name in ("nowhere", "empty", "no-records", "no-index", "cut", "senseless"):
        assert not comparable(tmp_path / name, present), name


def test_a_present_reference_that_is_damaged_is_an_error_that_names_it(tmp_path: Path) -> None:
    old, present = saved(tmp_path / "old"), saved(tmp_path / "present")
    (present / "records.arrow").unlink()
    with pytest.raises(ArtifactError, match="present"):
        comparable(old, present)
