"""The commands with a real Ditto, whose encoder is tiny."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import entity_matching.cli.inputs
from entity_matching.config import DecisionSettings, MatcherSettings
from entity_matching.files import read_table
from entity_matching.matcher.teach import Pupil

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def _quick_settings(monkeypatch: pytest.MonkeyPatch, quick: MatcherSettings) -> None:
    def settings(target_precision: float | None, *, listed: int | None = None) -> MatcherSettings:
        return replace(quick, decision=DecisionSettings(target_precision or 0.98, listed=listed or 5))

    monkeypatch.setattr(entity_matching.cli.inputs, "settings_for", settings)


def test_a_model_with_ditto_is_trained_killed_trained_on_and_used(
    command: Command, towns: Any, small_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    model, kept = tmp_path / "model", tmp_path / ".model-training"
    train = ("-v", "train", towns.source, towns.reference, "--labels", towns.labels, "-o", model, "--ditto",
             "--encoder", small_encoder, "--epochs", "1", "--device", "cpu", "--json")  # fmt: skip
    taught = Pupil.taught

    def kill(pupil: Pupil, lessons: Any, settings: Any, seed: int, stage: str, progress: Any = None) -> Pupil:
        if stage == "labels-fold-1":
            raise KeyboardInterrupt
        return taught(pupil, lessons, settings, seed, stage, progress)

    with monkeypatch.context() as patched:
        patched.setattr(Pupil, "taught", kill)
        done = command(*train)
    assert done.code == 130
    assert "Interrupted" in done.err
    assert not model.exists()
    assert (kept / "pretraining" / "state.json").is_file()

    done = command(*train)
    assert done.code == 0, done.err
    assert done.err.count("going on from pass 2") == 1
    assert not kept.exists()
    assert list(json.loads(done.out)["model"]["trained_on"]["ditto"]["taught"]) == ["pretraining", "labels"]
    assert {path.name for path in tmp_path.iterdir()} == {"model"}

    done = command("describe", model)
    assert done.code == 0, done.err
    for text in ("ditto:", "encoder:", "held_out:", "calibration_error:"):
        assert text in done.out


def test_a_model_with_ditto_matches_with_and_without_the_cascade(command: Command, towns: Any, tmp_path: Path) -> None:
    sent = []
    for options in ((), ("--no-cascade",)):
        out = tmp_path / "out.csv"
        done = command("-v", "match", towns.source, towns.reference, "--model", towns.deep, "-o", out, *options)
        assert done.code == 0, done.err
        table = read_table(out)
        assert table["source_id"].to_pylist() == read_table(towns.source)["source_id"].to_pylist()
        assert set(table["decision"].to_pylist()) <= {"match", "review", "no_match"}
        words = next(line for line in done.err.splitlines() if "candidates go to Ditto" in line).split()
        sent.append((int(words[1]), int(words[3])))
    (some, among), (every, all_) = sent
    assert some < among
    assert every == all_ == among


def test_a_model_without_ditto_cannot_send_all_to_it(command: Command, towns: Any, tmp_path: Path) -> None:
    done = command(
        "match", towns.source, towns.reference, "--model", towns.plain, "-o", tmp_path / "out.csv", "--no-cascade"
    )
    assert done.code == 1
    assert "Sending every candidate to Ditto needs a model with Ditto; this one has none." in done.err
    assert not (tmp_path / "out.csv").exists()


def test_a_model_whose_network_was_changed_is_refused(command: Command, towns: Any, tmp_path: Path) -> None:
    shutil.copytree(towns.deep, tmp_path / "model")
    network = tmp_path / "model" / "ditto" / "model.onnx"
    network.write_bytes(network.read_bytes()[:-1])
    done = command("match", towns.source, towns.reference, "--model", tmp_path / "model", "-o", tmp_path / "out.csv")
    assert done.code == 1
    assert "model.onnx is not as it was written. Restore the model from a copy" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--encoder", "no/such/folder"), "The encoder 'no/such/folder' is no folder here"),
        (("--device", "abacus"), "The setting 'device' is 'abacus', which torch cannot use on this machine"),
    ],
)
def test_an_encoder_or_device_that_is_not_there_is_a_clear_error(
    command: Command, towns: Any, small_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    def refuse(*_: Any, **__: Any) -> bool:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.file_exists", refuse)
    done = command("train", towns.source, towns.reference, "-o", tmp_path / "model", "--ditto", "--encoder",
                   small_encoder, *options)  # fmt: skip
    assert done.code == 1
    assert message in done.err
    assert done.err.count("Error:") == 1
    assert list(tmp_path.iterdir()) == []
