from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entity_matching.errors import ArtifactError
from entity_matching.matcher import Matcher, is_model

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies


def test_a_loaded_matcher_decides_as_the_saved_one(companies: Companies, taught: Matcher, tmp_path: Path) -> None:
    taught.save(tmp_path / "model")
    loaded = Matcher.load(tmp_path / "model")
    before = taught.match(companies.source, companies.reference)
    assert loaded.match(companies.source, companies.reference).equals(before)
    assert loaded.describe() == taught.describe()
    assert loaded.thresholds == taught.thresholds


def test_a_model_is_text_json_and_arrow_files(taught: Matcher, tmp_path: Path) -> None:
    taught.save(tmp_path / "model")
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".json", ".yml", ".txt", ".arrow"}
    assert is_model(tmp_path / "model")
    assert not is_model(tmp_path)


def test_saving_replaces_an_older_model(taught: Matcher, blind: Matcher, tmp_path: Path) -> None:
    taught.save(tmp_path / "model")
    blind.save(tmp_path / "model")
    assert Matcher.load(tmp_path / "model").describe() == blind.describe()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_newer_format_is_a_clear_error(taught: Matcher, tmp_path: Path) -> None:
    taught.save(tmp_path / "model")
    manifest = tmp_path / "model" / "model.json"
    data = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**data, "format": 99}))
    with pytest.raises(ArtifactError, match=r"format 99.*reads formats up to 2.*Update"):
        Matcher.load(tmp_path / "model")


@pytest.mark.parametrize("name", ["scorer.txt", "schema.yml", "outcomes.arrow", "words-0.arrow"])
def test_a_missing_or_changed_file_is_named(taught: Matcher, tmp_path: Path, name: str) -> None:
    taught.save(tmp_path / "model")
    path = tmp_path / "model" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=rf"{name} is not as it was written"):
        Matcher.load(tmp_path / "model")
    path.unlink()
    with pytest.raises(ArtifactError, match=rf"{name} is missing"):
        Matcher.load(tmp_path / "model")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}'])
def test_a_damaged_manifest_is_a_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"model\.json"):
        Matcher.load(tmp_path)


def test_a_folder_without_a_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="There is no model in"):
        Matcher.load(tmp_path / "nothing")
