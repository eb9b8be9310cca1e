"""Checkpoints: what is needed to go on training after a kill as if nothing had happened.

A checkpoint is a folder of safetensors files and a JSON file with the digest of each. It is written beside the
old one and then put in its place, so a half-written one is never found there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from entity_matching.errors import OutputError
from entity_matching.storage import replace_folder

log = logging.getLogger(__name__)

FORMAT = 1
STATE = "state.json"
_PARTS = ("network", "best", "optimizer")


@dataclass
class State:
    """Where training stands.

    ``fingerprint``: of data, settings and seed; a checkpoint with another one is not gone on from. ``epoch``,
    ``batch``: the next to be trained on. ``history``: what each finished pass gave. ``best``: number of the pass
    whose weights were best, -1 if none yet. ``losses``: sum of losses and number of pairs of the pass under way.
    ``hardness``: of each data set's pairs.
    """

    fingerprint: str
    epoch: int = 0
    batch: int = 0
    best: int = -1
    history: list[dict[str, float]] = field(default_factory=list)
    losses: tuple[float, int] = (0.0, 0)
    hardness: list[list[float]] = field(default_factory=list)


def save_checkpoint(
    folder: Path,
    state: State,
    network: dict[str, torch.Tensor],
    best: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write a checkpoint, whole or not at all.

    :raises OutputError: if it cannot be written, e.g. on a full disk; the older one stays.
    """

    def write(new: Path) -> None:
        for name, values in zip(_PARTS, (network, best, _flat(optimizer)), strict=True):
            save_file({key: value.contiguous() for key, value in values.items()}, new / f"{name}.safetensors")
        digests = {path.name: _digest(path) for path in sorted(new.iterdir())}
        data = {"format": FORMAT, "sha256": digests, **vars(state)}
        (new / STATE).write_text(json.dumps(data), encoding="utf-8")

    try:
        replace_folder(folder, write)
    except (OSError, SafetensorError) as error:
        raise OutputError(
            f"The checkpoint {folder} cannot be written: {error}.",
            remedy="Make room, or name another folder; the last whole checkpoint is still there to go on from.",
        ) from error


def load_checkpoint(
    folder: Path, fingerprint: str
) -> tuple[State, dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, torch.Tensor]] | None:
    """Read a checkpoint: the state, the network, the best weights and the optimizer's values.

    :returns: ``None``, with a warning, if it is damaged or of another training; if there is none, without.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT or data["fingerprint"] != fingerprint:
            log.warning(
                "the checkpoint %s is of another training (data, settings or seed differ); starting anew", folder
            )
            return None
        for name, digest in data.pop("sha256").items():
            if _digest(folder / name) != digest:
                raise ValueError(f"{name} is not as it was written")
        network, best, optimizer = (load_file(folder / f"{name}.safetensors") for name in _PARTS)
        data["losses"] = tuple(data["losses"])
        return State(**data), network, best, optimizer
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        log.warning("the checkpoint %s is damaged (%s); starting anew", folder, error)
        return None


def restore_optimizer(optimizer: torch.optim.Optimizer, values: dict[str, torch.Tensor]) -> None:
    """Put saved values back into an optimizer of the same parameters."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in values.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value) for number, values in state.items() for name, value in values.items()
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
