from __future__ import annotations

import importlib
import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from entity_matching.ditto.checkpoint import STATE
from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.train import Pass, Progress
from entity_matching.errors import OutputError, TrainingError

if TYPE_CHECKING:
    from tests.ditto.conftest import Trainer

Weights = dict[str, torch.Tensor]
BATCHES = math.ceil((24 + 48) / 16)
"""Of a pass under the settings ``RICH``."""


def finite(network: PairNetwork) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


def warned(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


# going on after a kill


@pytest.mark.parametrize("after", [1, 3, BATCHES, BATCHES + 1, 2 * BATCHES + 2, 3 * BATCHES])
def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    trainer: Trainer, whole: tuple[Weights, list[Pass]], tmp_path: Path, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    trainer.killed(after, checkpoint=tmp_path, **trainer.RICH)
    torch.rand(3)
    with caplog.at_level(logging.INFO, "entity_matching"):
        network, passes = trainer.train(checkpoint=tmp_path, **trainer.RICH)
    assert trainer.same(trainer.weights(network), whole[0])
    assert trainer.told(passes) == trainer.told(whole[1])
    assert ("going on from" in caplog.text) is (after > 1)


def test_a_training_killed_again_and_again_ends_the_same(
    trainer: Trainer, whole: tuple[Weights, list[Pass]], tmp_path: Path
) -> None:
    for _ in range(5):
        trainer.killed(3, checkpoint=tmp_path, **trainer.RICH)
    network, passes = trainer.train(checkpoint=tmp_path, **trainer.RICH)
    assert trainer.same(trainer.weights(network), whole[0])
    assert trainer.told(passes) == trainer.told(whole[1])


def test_checkpoints_change_nothing_and_come_as_often_as_asked(
    trainer: Trainer, whole: tuple[Weights, list[Pass]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train: Any = importlib.import_module("entity_matching.ditto.train")
    written: list[int] = []
    save = train.save_checkpoint

    def count(*given: Any) -> None:
        written.append(1)
        save(*given)

    monkeypatch.setattr(train, "save_checkpoint", count)
    network, _ = trainer.train(checkpoint=tmp_path / "often", **trainer.RICH)
    assert trainer.same(trainer.weights(network), whole[0])
    assert len(written) == 3 * (BATCHES + 1)
    written.clear()
    trainer.train(checkpoint=tmp_path / "rarely", **{**trainer.RICH, "checkpoint_minutes": 60.0})
    assert len(written) == 3


def test_a_training_that_is_done_is_not_done_again(
    trainer: Trainer, whole: tuple[Weights, list[Pass]], tmp_path: Path
) -> None:
    trainer.train(checkpoint=tmp_path, **trainer.RICH)
    shares: list[float] = []
    network, passes = trainer.train(
        checkpoint=tmp_path, progress=lambda stage, share: shares.append(share), **trainer.RICH
    )
    assert trainer.same(trainer.weights(network), whole[0])
    assert trainer.told(passes) == trainer.told(whole[1])
    assert shares == [1.0]


def test_other_threads_and_checkpoint_minutes_are_the_same_training(
    trainer: Trainer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer.killed(3, checkpoint=tmp_path, **trainer.RICH)
    trainer.train(checkpoint=tmp_path, threads=2, **{**trainer.RICH, "checkpoint_minutes": 1.0})
    assert not warned(caplog)


def truncate(folder: Path) -> None:
    path = next(folder.glob("network*"))
    path.write_bytes(path.read_bytes()[:200])


def lose(folder: Path) -> None:
    next(folder.glob("best*")).unlink()


def halve(folder: Path) -> None:
    text = (folder / STATE).read_text()
    (folder / STATE).write_text(text[: len(text) // 2])


@pytest.mark.parametrize("damage", [truncate, lose, halve])
def test_with_a_damaged_checkpoint_training_starts_anew(
    trainer: Trainer,
    whole: tuple[Weights, list[Pass]],
    tmp_path: Path,
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    trainer.killed(3, checkpoint=tmp_path, **trainer.RICH)
    damage(tmp_path)
    network, _ = trainer.train(checkpoint=tmp_path, **trainer.RICH)
    assert "is damaged" in warned(caplog)
    assert trainer.same(trainer.weights(network), whole[0])


def others(trainer: Trainer) -> dict[str, dict[str, Any]]:
    """Return trainings that are not the one that was killed, by what tells them from it."""
    pairs = trainer.training[0].pairs
    return {
        "seed": {"seed": 1},
        "settings": {"learning_rate": 3e-3},
        "start": {"network": trainer.make_network(seed=8)},
        "training pairs": {"training": [trainer.make_set(matches=24, others=100, seed=5)]},
        "validation pairs": {"validation": [trainer.make_set(matches=20, others=40, seed=5)]},
        "labels": {"training": [trainer.make_set(replace(pairs, matches=np.roll(pairs.matches, 1)))]},
        "weights of pairs": {"training": [trainer.make_set(replace(pairs, weight=pairs.weight * 2))]},
    }


def test_a_checkpoint_of_another_training_is_not_used(
    trainer: Trainer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = {**trainer.RICH, "epochs": 1}
    trainer.killed(3, checkpoint=tmp_path / "first", **given)
    for what, changed in others(trainer).items():
        caplog.clear()
        folder = shutil.copytree(tmp_path / "first", tmp_path / what)
        with caplog.at_level(logging.INFO, "entity_matching"):
            trainer.train(checkpoint=folder, **{**given, **changed})
        assert "is of another training" in warned(caplog), what
        assert "going on from" not in caplog.text, what


def test_a_full_disk_ends_training_and_leaves_the_checkpoint(
    trainer: Trainer, whole: tuple[Weights, list[Pass]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    trainer.killed(3, checkpoint=tmp_path, **trainer.RICH)
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="No space left"):
        patch.setattr("entity_matching.ditto.checkpoint.save_file", full)
        trainer.train(checkpoint=tmp_path, **trainer.RICH)
    network, _ = trainer.train(checkpoint=tmp_path, **trainer.RICH)
    assert trainer.same(trainer.weights(network), whole[0])


# a loss that is no longer a number


def poison(network: PairNetwork, at: int) -> Progress:
    """Return progress that breaks a weight after so many batches."""
    done = 0

    def report(stage: str, share: float) -> None:
        nonlocal done
        done += 1
        if done == at:
            with torch.no_grad():
                network.head.weight[0, 0] = math.nan

    return report


@pytest.mark.parametrize("minutes", [0.0, 60.0])
def test_training_stops_where_the_loss_is_no_number_and_keeps_the_best_weights(
    trainer: Trainer, tmp_path: Path, minutes: float
) -> None:
    given = {**trainer.RICH, "checkpoint_minutes": minutes}
    first, passes = trainer.train(**{**given, "epochs": 1, "warm_up": 0.0})
    assert passes
    network = trainer.make_network()
    with pytest.raises(TrainingError, match="no longer a number, at step") as caught:
        trainer.train(network, checkpoint=tmp_path, progress=poison(network, BATCHES + 2), **given)
    assert f"at step {BATCHES + 2 + (minutes > 0)}." in caught.value.message
    assert "of pass 1" in caught.value.message
    assert f"the last good checkpoint is in {tmp_path}" in caught.value.message
    assert "learning_rate" in caught.value.remedy
    assert finite(network)
    assert not network.training
    assert not trainer.same(trainer.weights(network), trainer.weights(trainer.make_network()))


@pytest.mark.parametrize("at", [2, BATCHES, BATCHES + 3])
def test_the_last_good_checkpoint_can_be_gone_on_from(
    trainer: Trainer, whole: tuple[Weights, list[Pass]], tmp_path: Path, at: int
) -> None:
    network = trainer.make_network()
    with pytest.raises(TrainingError):
        trainer.train(network, checkpoint=tmp_path, progress=poison(network, at), **trainer.RICH)
    again, passes = trainer.train(checkpoint=tmp_path, **trainer.RICH)
    assert trainer.same(trainer.weights(again), whole[0])
    assert trainer.told(passes) == trainer.told(whole[1])


def test_in_the_first_pass_the_weights_of_the_start_are_kept(trainer: Trainer) -> None:
    network = trainer.make_network()
    start = trainer.weights(network)
    with pytest.raises(TrainingError, match="those of the start") as caught:
        trainer.train(network, progress=poison(network, 2))
    assert "checkpoint" not in caught.value.message
    assert trainer.same(trainer.weights(network), start)


def test_rates_far_too_high_end_in_a_clear_error(trainer: Trainer, tmp_path: Path) -> None:
    network = trainer.make_network()
    with pytest.raises(TrainingError, match="no longer a number"):
        trainer.train(network, checkpoint=tmp_path, learning_rate=1e38, head_rate=1e38, checkpoint_minutes=0.0)
    assert finite(network)


def test_a_damaged_encoder_is_told_from_the_first_step(trainer: Trainer) -> None:
    network = trainer.make_network()
    with torch.no_grad():
        network.encoder.get_input_embeddings().weight.fill_(math.inf)
    with pytest.raises(TrainingError, match="at step 1\\.") as caught:
        trainer.train(network)
    assert "encoder" in caught.value.remedy


def test_gradients_that_are_no_numbers_are_not_learnt_from(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(math.inf))
    network = trainer.make_network()
    start = trainer.weights(network)
    with pytest.raises(TrainingError, match="at step 1\\."):
        trainer.train(network)
    assert trainer.same(trainer.weights(network), start)
