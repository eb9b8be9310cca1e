from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from entity_matching.ditto.checkpoint import STATE, State, load_checkpoint, restore_optimizer, save_checkpoint
from entity_matching.errors import OutputError

SAVE = "entity_matching.ditto.checkpoint.save_file"
MINE = "of this training"


def trained(seed: int = 0) -> tuple[nn.Linear, torch.optim.AdamW]:
    """Return something that has learnt a little."""
    torch.manual_seed(seed)
    layer = nn.Linear(30, 20)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(4, 30)).square().sum().backward()
        optimizer.step()
    return layer, optimizer


def save(folder: Path, epoch: int = 1) -> nn.Linear:
    """Save a checkpoint; its best weights are twice the last ones."""
    layer, optimizer = trained(epoch)
    state = State(MINE, epoch, 7, 0, [{"f1": 1 / 3}], (0.1 + 0.2, 64), [[0.1, 1 / 7]])
    best = {name: 2 * value for name, value in layer.state_dict().items()}
    save_checkpoint(folder, state, layer.state_dict(), best, optimizer)
    return layer


def warned(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


def test_a_checkpoint_gives_back_what_was_saved_to_the_last_bit(tmp_path: Path) -> None:
    layer = save(tmp_path / "new" / "here")
    found = load_checkpoint(tmp_path / "new" / "here", MINE)
    assert found is not None
    state, network, best, _ = found
    assert state == State(MINE, 1, 7, 0, [{"f1": 1 / 3}], (0.1 + 0.2, 64), [[0.1, 1 / 7]])
    assert torch.equal(network["weight"], layer.weight)
    assert torch.equal(best["bias"], 2 * layer.bias)


def test_an_optimizer_goes_on_as_it_would_have(tmp_path: Path) -> None:
    save(tmp_path)
    layer, optimizer = trained(1)
    found = load_checkpoint(tmp_path, MINE)
    assert found is not None
    other = nn.Linear(30, 20)
    other.load_state_dict(found[1])
    resumed = torch.optim.AdamW(other.parameters(), lr=0.1)
    restore_optimizer(resumed, found[3])
    given = torch.randn(4, 30)
    forgetful = nn.Linear(30, 20)
    forgetful.load_state_dict(found[1])
    new = torch.optim.AdamW(forgetful.parameters(), lr=0.1)
    for model, steps in ((layer, optimizer), (other, resumed), (forgetful, new)):
        steps.zero_grad()
        model(given).square().sum().backward()
        steps.step()
    assert torch.equal(layer.weight, other.weight)
    assert not torch.equal(layer.weight, forgetful.weight)


def test_where_there_is_none_nothing_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_checkpoint(tmp_path / "none", MINE) is None
    assert load_checkpoint(tmp_path, MINE) is None
    assert not caplog.records


def test_that_of_another_training_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path)
    assert load_checkpoint(tmp_path, "of another") is None
    assert "is of another training" in warned(caplog)
    assert str(tmp_path) in warned(caplog)


def test_that_of_another_release_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path)
    state = json.loads((tmp_path / STATE).read_text())
    (tmp_path / STATE).write_text(json.dumps({**state, "format": state["format"] + 1}))
    assert load_checkpoint(tmp_path, MINE) is None
    assert "starting anew" in warned(caplog)


def weights(folder: Path, part: str = "network") -> Path:
    return next(folder.glob(f"{part}*.safetensors"))


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "weights cut": lambda folder: halve(weights(folder)),
    "best weights cut": lambda folder: halve(weights(folder, "best")),
    "weights emptied": lambda folder: weights(folder).write_bytes(b""),
    "one bit of the optimizer": lambda folder: flip(weights(folder, "optimizer")),
    "weights gone": lambda folder: weights(folder).unlink(),
    "optimizer gone": lambda folder: weights(folder, "optimizer").unlink(),
    "state cut": lambda folder: halve(folder / STATE),
    "state emptied": lambda folder: (folder / STATE).write_text(""),
    "state of no sense": lambda folder: (folder / STATE).write_text("null"),
    "state a list": lambda folder: (folder / STATE).write_text("[1]"),
    "state no text": lambda folder: (folder / STATE).write_bytes(b"\xff\xfe\x00"),
    "state incomplete": lambda folder: (folder / STATE).write_text('{"format": 2}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_one_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], Any]
) -> None:
    save(tmp_path)
    damage(tmp_path)
    assert load_checkpoint(tmp_path, MINE) is None
    assert "is damaged" in warned(caplog)
    assert "starting anew" in warned(caplog)


def test_a_new_one_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    save(tmp_path, epoch=1)
    files = len(list(tmp_path.iterdir()))
    layer = save(tmp_path, epoch=2)
    found = load_checkpoint(tmp_path, MINE)
    assert found is not None
    assert found[0].epoch == 2
    assert torch.equal(found[1]["weight"], layer.weight)
    assert len(list(tmp_path.iterdir())) == files == 4


def test_a_damaged_one_is_replaced(tmp_path: Path) -> None:
    save(tmp_path, epoch=1)
    halve(tmp_path / STATE)
    save(tmp_path, epoch=2)
    assert load_checkpoint(tmp_path, MINE) is not None
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_kill_while_writing_leaves_the_old_one_and_the_next_clears_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    save(tmp_path, epoch=1)
    calls: list[Path] = []

    def killed(values: Any, path: Path) -> None:
        calls.append(path)
        if len(calls) > at:
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        save_file(values, path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SAVE, killed)
        save(tmp_path, epoch=2)
    found = load_checkpoint(tmp_path, MINE)
    assert found is not None
    assert found[0].epoch == 1
    save(tmp_path, epoch=3)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_kill_before_the_state_is_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    save(tmp_path, epoch=1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", killed)
        save(tmp_path, epoch=2)
    found = load_checkpoint(tmp_path, MINE)
    assert found is not None
    assert found[0].epoch == 1
    save(tmp_path, epoch=3)
    assert len(list(tmp_path.iterdir())) == 4


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    for name in ("thesis.txt", "network.safetensors", "best-2024.safetensors"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "photos").mkdir()
    save(tmp_path, epoch=1)
    save(tmp_path, epoch=2)
    for name in ("thesis.txt", "network.safetensors", "best-2024.safetensors"):
        assert (tmp_path / name).read_text() == "mine"
    assert (tmp_path / "photos").is_dir()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("I/O error: No space left on device")],
    ids=["system", "safetensors"],
)
def test_on_a_full_disk_the_old_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full(_: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    save(tmp_path, epoch=1)
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="No space left") as caught:
        patch.setattr(SAVE, full)
        save(tmp_path, epoch=2)
    assert str(tmp_path) in caught.value.message
    assert "Make room" in caught.value.remedy
    found = load_checkpoint(tmp_path, MINE)
    assert found is not None
    assert found[0].epoch == 1
    assert len(list(tmp_path.iterdir())) == 4


def test_files_that_may_not_grow_are_an_error_of_ours(tmp_path: Path) -> None:
    resource = cast(Any, pytest.importorskip("resource"))
    save(tmp_path, epoch=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        with pytest.raises(OutputError):
            save(tmp_path, epoch=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found = load_checkpoint(tmp_path, MINE)
    assert found is not None
    assert found[0].epoch == 1


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        save(tmp_path / "file" / "checkpoint")
