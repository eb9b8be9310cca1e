from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import feather

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


def test_a_model_of_the_first_format_is_read(companies: Companies, taught: Matcher, tmp_path: Path) -> None:
    """It knew nothing of Ditto."""
    taught.save(tmp_path / "model")
    manifest = tmp_path / "model" / "model.json"
    data = json.loads(manifest.read_text())
    assert data.pop("blend") is None
    for name in ("ditto", "cascade"):
        del data["settings"][name]
    manifest.write_text(json.dumps({**data, "format": 1}))
    loaded = Matcher.load(tmp_path / "model")
    assert loaded.settings == taught.settings
    before = taught.match(companies.source, companies.reference)
    assert loaded.match(companies.source, companies.reference).equals(before)


# --- with Ditto ---


@pytest.fixture
def deep_folder(deep_taught: Matcher, tmp_path: Path) -> Path:
    deep_taught.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("kind", ["deep_taught", "deep_blind"])
def test_with_ditto_a_loaded_matcher_decides_as_the_saved_one_to_the_last_bit(
    listings: Companies, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    matcher: Matcher = request.getfixturevalue(kind)
    matcher.save(tmp_path / "model")
    loaded = Matcher.load(tmp_path / "model")
    before = matcher.match(listings.source, listings.reference)
    after = loaded.match(listings.source, listings.reference)
    assert after["confidence"].to_pylist() == before["confidence"].to_pylist()
    assert after.equals(before)
    assert loaded.describe() == matcher.describe()
    assert loaded.thresholds == matcher.thresholds
    pairs = listings.labels.slice(0, 1)
    assert loaded.contributions(listings.source, listings.reference, pairs).equals(
        matcher.contributions(listings.source, listings.reference, pairs)
    )


def test_with_ditto_a_model_is_text_json_arrow_and_onnx_files(deep_folder: Path) -> None:
    names = {path.relative_to(deep_folder).as_posix() for path in deep_folder.rglob("*") if path.is_file()}
    assert {name for name in names if name.startswith("ditto/") or name == "blend.txt"} == {
        "blend.txt", "ditto/ditto.json", "ditto/model.onnx", "ditto/tokenizer.json", "ditto/words.arrow",
    }  # fmt: skip
    assert set(json.loads((deep_folder / "model.json").read_text())["sha256"]) == names - {"model.json"}


@pytest.mark.parametrize(
    "name", ["blend.txt", *(f"ditto/{file}" for file in ("model.onnx", "ditto.json", "words.arrow"))]
)
def test_with_ditto_a_missing_or_changed_file_is_named(deep_folder: Path, name: str) -> None:
    path = deep_folder / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ArtifactError, match=rf"{name} is not as it was written"):
        Matcher.load(deep_folder)
    path.unlink()
    with pytest.raises(ArtifactError, match=rf"{name} is missing"):
        Matcher.load(deep_folder)


def test_saving_a_model_without_ditto_over_one_with_it_leaves_nothing_of_it(deep_folder: Path, taught: Matcher) -> None:
    taught.save(deep_folder)
    assert not (deep_folder / "ditto").exists()
    assert not (deep_folder / "blend.txt").exists()


WITHOUT_TORCH = """
import sys
blocked = {"torch", "transformers", "onnx", "safetensors"}
class Blocker:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Blocker())
import pyarrow.feather as feather
from entity_matching.matcher import Matcher
folder = sys.argv[1]
source, reference = (feather.read_table(f"{folder}/{name}.arrow") for name in ("source", "reference"))
result = Matcher.load(f"{folder}/deep").match(source, reference)
feather.write_feather(result, f"{folder}/result.arrow")
loaded = blocked & set(sys.modules)
for name in ("onnxruntime", "tokenizers"):
    blocked.add(name)
    sys.modules.pop(name, None)
result = Matcher.load(f"{folder}/plain").match(source, reference)
feather.write_feather(result, f"{folder}/plain.arrow")
try:
    Matcher.load(f"{folder}/deep")
except Exception as error:
    print(type(error).__name__, error, loaded)
"""


def test_matching_needs_neither_torch_nor_transformers_and_without_ditto_no_runtime_either(
    listings: Companies, deep_taught: Matcher, taught: Matcher, tmp_path: Path
) -> None:
    deep_taught.save(tmp_path / "deep")
    taught.save(tmp_path / "plain")
    for name, table in (("source", listings.source), ("reference", listings.reference)):
        feather.write_feather(table.combine_chunks(), tmp_path / f"{name}.arrow")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name, matcher in (("result", deep_taught), ("plain", taught)):
        found = feather.read_table(tmp_path / f"{name}.arrow")
        assert found.equals(matcher.match(listings.source, listings.reference))
    assert done.stdout.startswith("OptionalDependencyError")
    assert "entity-matching[train]" in done.stdout


def test_a_model_knows_the_entities_that_labels_named(
    taught: Matcher, blind: Matcher, companies: Companies, tmp_path: Path
) -> None:
    taught.save(tmp_path / "model")
    named = set(companies.labels["reference_key"].to_pylist()) - {"", None}
    assert set(Matcher.load(tmp_path / "model").model.entities) == named
    assert blind.model.entities == ()
