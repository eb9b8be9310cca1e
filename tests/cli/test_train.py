from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entity_matching.config import DittoSettings, MatcherSettings
from entity_matching.errors import TrainingError

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("nowhere/model", "is not there. Make it first"),
        ("labels.csv", "labels.csv is a file; expected a folder"),
        ("full", "is not empty, and what is in it is no model"),
    ],
)
def test_a_folder_that_cannot_hold_the_model_is_refused_at_once(
    command: Command, folder: Any, out: str, message: str
) -> None:
    (folder.path / "full").mkdir()
    folder.write("full/thesis.txt", "precious")
    done = command("train", folder.source, folder.reference, "--labels", folder.labels, "-o", folder.path / out)
    assert done.code == 1
    assert message in done.err
    assert (folder.path / "full" / "thesis.txt").read_text() == "precious"


class _Trainer:
    """Stands in for the matcher: notes what it is trained with, and leaves a checkpoint where it is told to."""

    def __init__(self, ends: BaseException | None) -> None:
        self.ends = ends
        self.options: dict[str, Any] = {}
        self.thresholds = types.SimpleNamespace(match=0.9, review=0.4)

    def train(self, *_: Any, **options: Any) -> _Trainer:
        self.options = options
        if options["checkpoints"] is not None:
            (options["checkpoints"] / "pretraining").mkdir(parents=True)
            (options["checkpoints"] / "pretraining" / "state.json").write_text("{}")
        if self.ends is not None:
            raise self.ends
        return self

    def save(self, folder: Path) -> None:
        folder.mkdir()

    def describe(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., _Trainer]:
    """Put the stand-in in the matcher's place."""

    def put(ends: BaseException | None = None) -> _Trainer:
        found = _Trainer(ends)
        monkeypatch.setattr("entity_matching.matcher.Matcher", found)
        return found

    return put


def _train(command: Command, folder: Any, *options: str) -> Any:
    return command("train", folder.source, folder.reference, "-o", folder.path / "model", *options)


def test_without_the_option_there_is_no_ditto_and_nothing_is_kept(
    command: Command, folder: Any, trainer: Callable[..., _Trainer]
) -> None:
    found = trainer()
    assert _train(command, folder).code == 0
    settings: MatcherSettings = found.options["settings"]
    assert settings.ditto is None
    assert found.options["checkpoints"] is None


def test_ditto_has_its_usual_settings_but_for_what_is_asked(
    command: Command, folder: Any, trainer: Callable[..., _Trainer]
) -> None:
    found = trainer()
    assert _train(command, folder, "--ditto").code == 0
    assert found.options["settings"].ditto == DittoSettings()
    (folder.path / "model").rmdir()
    done = _train(command, folder, "--ditto", "--encoder", "roberta-base", "--epochs", "3", "--device", "cpu")
    assert done.code == 0, done.err
    assert found.options["settings"].ditto == DittoSettings(encoder="roberta-base", epochs=3, device="cpu")


@pytest.mark.parametrize("option", [("--encoder", "roberta-base"), ("--epochs", "3"), ("--device", "cpu")])
def test_an_option_of_ditto_without_ditto_is_wrong_use(
    command: Command, folder: Any, trainer: Callable[..., _Trainer], option: tuple[str, str]
) -> None:
    trainer()
    done = _train(command, folder, *option)
    assert done.code == 2
    assert "add --ditto" in done.err
    assert not (folder.path / "model").exists()


@pytest.mark.parametrize("epochs", ["0", "-1", "many"])
def test_epochs_that_are_no_number_of_passes_are_wrong_use(command: Command, folder: Any, epochs: str) -> None:
    done = _train(command, folder, "--ditto", "--epochs", epochs)
    assert done.code == 2
    assert "--epochs" in done.err


@pytest.mark.parametrize(
    ("ends", "code"), [(KeyboardInterrupt(), 130), (TrainingError("The loss is no longer a number."), 1)]
)
def test_what_a_training_kept_stays_when_it_ends_badly_and_goes_when_it_ends_well(
    command: Command, folder: Any, trainer: Callable[..., _Trainer], ends: BaseException, code: int
) -> None:
    found = trainer(ends)
    done = _train(command, folder, "--ditto")
    assert done.code == code
    assert found.options["checkpoints"] == folder.path / ".model-training"
    assert (folder.path / ".model-training" / "pretraining" / "state.json").is_file()
    assert not (folder.path / "model").exists()
    (folder.path / ".model-training" / "pretraining" / "state.json").unlink()
    (folder.path / ".model-training" / "pretraining").rmdir()
    trainer()
    assert _train(command, folder, "--ditto").code == 0
    assert not (folder.path / ".model-training").exists()
    assert (folder.path / "model").is_dir()
