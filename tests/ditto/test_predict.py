from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entity_matching.ditto import predict as module
from entity_matching.ditto.export import export_onnx
from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.predict import FORMAT, DittoModel
from entity_matching.ditto.serialize import Serializer
from entity_matching.ditto.words import Record
from entity_matching.errors import ArtifactError, OptionalDependencyError, OutputError
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.model_validate({"attributes": {"name": {"kind": "name"}, "number": {"kind": "number"}}})


@pytest.fixture(scope="module")
def records(make_pairs: Callable[..., RecordPairs]) -> list[tuple[Record, Record]]:
    pairs = make_pairs(matches=15, others=25)
    return list(zip(pairs.left, pairs.right, strict=True))


@pytest.fixture(scope="module")
def folder(make_network: Any, make_set: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import pyarrow as pa  # noqa: PLC0415

    table = pa.table({"name": ["Acme Steel", "Acme Foods", "Delta Paper"], "number": ["12", "7", "12"]})
    serializer = Serializer.fit(normalize_table(table, SCHEMA, Side.REFERENCE), SCHEMA)
    data = make_set(matches=10, others=10)
    made = tmp_path_factory.mktemp("model")
    export_onnx(make_network(), made, serializer, data.tokenizer, data.tokenized())
    return made


@pytest.fixture(scope="module")
def model(folder: Path) -> DittoModel:
    return DittoModel.load(folder)


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the model, to be damaged."""
    return shutil.copytree(folder, tmp_path / "model")


def test_pairs_of_records_have_log_odds_whatever_the_order_and_the_others(
    model: DittoModel, records: list[tuple[Record, Record]]
) -> None:
    odds = model.predict(records)
    assert odds.shape == (len(records),)
    assert odds.dtype == np.float64
    assert np.ptp(odds) > 0.1
    assert model.predict(records[::-1])[::-1] == pytest.approx(odds, abs=1e-6)
    assert model.predict(records[7:9]) == pytest.approx(odds[7:9], abs=1e-6)


def test_tokens_score_as_their_records_do(model: DittoModel, records: list[tuple[Record, Record]]) -> None:
    tokens = [model.tokenizer.pair(left, right) for left, right in records]
    assert model.predict_tokens(tokens) == pytest.approx(model.predict(records), abs=1e-6)


def test_many_pairs_are_read_part_by_part(
    model: DittoModel, records: list[tuple[Record, Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = model.predict(records)
    monkeypatch.setattr(module, "CHUNK", 7)
    assert model.predict(records) == pytest.approx(wanted, abs=1e-6)


def test_no_pairs_have_no_log_odds(model: DittoModel) -> None:
    assert model.predict([]).shape == (0,)
    assert model.predict([]).dtype == np.float64


def test_records_that_say_nothing_are_scored(model: DittoModel) -> None:
    assert np.isfinite(model.predict([((), ())])).all()


def test_a_model_that_was_saved_again_is_the_same(
    model: DittoModel, folder: Path, records: list[tuple[Record, Record]], tmp_path: Path
) -> None:
    model.save(tmp_path)
    again = DittoModel.load(tmp_path, threads=1)
    assert again.predict(records) == pytest.approx(model.predict(records), abs=1e-6)
    assert again.parity == model.parity
    assert again.serializer == model.serializer
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in folder.iterdir()}


def test_what_the_reference_taught_is_saved(model: DittoModel) -> None:
    assert model.serializer.documents == 3
    assert model.serializer.counts == {"acme": 2, "12": 2}
    assert model.tokenizer.max_tokens == 64


@pytest.mark.parametrize("name", ["ditto.json", "model.onnx", "tokenizer.json", "words.arrow"])
@pytest.mark.parametrize("harm", ["missing", "empty", "cut"])
def test_a_damaged_file_is_named(damaged: Path, name: str, harm: str) -> None:
    path = damaged / name
    content = path.read_bytes()
    path.unlink()
    if harm != "missing":
        path.write_bytes(content[: len(content) // 2] if harm == "cut" else b"")
    with pytest.raises(ArtifactError, match=name):
        DittoModel.load(damaged)


def test_a_network_that_was_changed_is_refused(damaged: Path) -> None:
    content = bytearray((damaged / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / "model.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match="not as it was written"):
        DittoModel.load(damaged)


@pytest.mark.parametrize(
    "changed",
    [{"max_tokens": "many"}, {"max_tokens": 1}, {"parity": {}}, {"parity": None}, {"serializer": {}}, {"format": "1"}],
    ids=str,
)
def test_a_manifest_that_makes_no_sense_is_refused(damaged: Path, changed: dict[str, Any]) -> None:
    data = json.loads((damaged / "ditto.json").read_text(encoding="utf-8"))
    (damaged / "ditto.json").write_text(json.dumps({**data, **changed}), encoding="utf-8")
    with pytest.raises(ArtifactError):
        DittoModel.load(damaged)


def test_a_newer_format_is_refused(damaged: Path) -> None:
    data = json.loads((damaged / "ditto.json").read_text(encoding="utf-8"))
    (damaged / "ditto.json").write_text(json.dumps({**data, "format": FORMAT + 1}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=f"format {FORMAT + 1}.*Update entity-matching"):
        DittoModel.load(damaged)


def test_a_model_of_an_earlier_format_is_refused_since_its_tokens_meant_something_else(damaged: Path) -> None:
    data = json.loads((damaged / "ditto.json").read_text(encoding="utf-8"))
    (damaged / "ditto.json").write_text(json.dumps({**data, "format": FORMAT - 1}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="earlier release.*Train the model again"):
        DittoModel.load(damaged)


def test_a_full_disk_is_told_and_leaves_nothing(
    model: DittoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_table", full)
    with pytest.raises(OutputError, match="No space left on device"):
        model.save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(model: DittoModel, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        model.save(tmp_path / "absent")


def test_without_tokenizers_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(OptionalDependencyError, match="tokenizers"):
        DittoModel.load(folder)


def test_prediction_needs_neither_torch_nor_transformers(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from entity_matching.ditto.predict import DittoModel; "
        "print(DittoModel.load(Path(sys.argv[1])).predict([((), ())]).shape); "
        "print([name for name in ('torch', 'transformers', 'onnx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(1,)", "[]"]
