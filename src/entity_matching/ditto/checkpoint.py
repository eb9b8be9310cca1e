"""Checkpoints: what is needed to go on training after a kill as if nothing had happened.

A checkpoint is a folder with three safetensors files and a JSON file that names them, with the digest of each. The
files of a new one have names of their own, and the JSON file is put in place, at once, when they are all there: a
kill leaves the old checkpoint or the new one. What is left of earlier ones goes then; other files are not touched.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from entity_matching.errors import OutputError

log = logging.getLogger(__name__)

FORMAT = 2
STATE = "state.json"
_PARTS = ("network", "best", "optimizer")
_OURS = re.compile(r"(network|best|optimizer)-[0-9a-f]{8}\.safetensors|state\.json\.[0-9a-f]{8}")

Weights = dict[str, torch.Tensor]


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
    folder: Path, state: State, network: Weights, best: Weights, optimizer: torch.optim.Optimizer
) -> None:
    """Write a checkpoint, whole or not at all.

    :param folder: is made if it is not there.
    :raises OutputError: if it cannot be written, e.g. on a full disk; the older one stays.
    """
    tag = secrets.token_hex(4)
    files = [folder / f"{name}-{tag}.safetensors" for name in _PARTS]
    new = folder / f"{STATE}.{tag}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, values in zip(files, (network, best, _flat(optimizer)), strict=True):
            save_file({key: value.contiguous() for key, value in values.items()}, path)
        data = {"format": FORMAT, "files": {path.name: _digest(path) for path in files}, **vars(state)}
        new.write_text(json.dumps(data), encoding="utf-8")
        new.replace(folder / STATE)
    except (OSError, SafetensorError) as error:
        _remove(folder, [path.name for path in (*files, new)])
        raise OutputError(
            f"The checkpoint {folder} cannot be written: {error}.",
            remedy="Make room, or name another folder; the last whole checkpoint is still there to go on from.",
        ) from error
    kept = {path.name for path in files}
    _remove(folder, [path.name for path in folder.iterdir() if _OURS.fullmatch(path.name) and path.name not in kept])


def load_checkpoint(folder: Path, fingerprint: str) -> tuple[State, Weights, Weights, Weights] | None:
    """Read a checkpoint: the state, the network, the best weights and the optimizer's values.

    :return: ``None``, with a warning, if it is damaged or of another training; if there is none, without.
    """
    if not (folder / STATE).is_file():
        return None
    try:
        data = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT or data["fingerprint"] != fingerprint:
            log.warning(
                "the checkpoint %s is of another training (data, settings or seed differ); starting anew", folder
            )
            return None
        files = data.pop("files")
        for name, digest in files.items():
            if _digest(folder / name) != digest:
                raise ValueError(f"{name} is not as it was written")
        network, best, optimizer = (load_file(folder / name) for name in files)
        data["losses"] = tuple(data["losses"])
        return State(**data), network, best, optimizer
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        log.warning("the checkpoint %s is damaged (%s); starting anew", folder, error)
        return None


def restore_optimizer(optimizer: torch.optim.Optimizer, values: dict[str, torch.Tensor]) -> None:
    """Put saved values back into an optimizer of the same parameters."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in values.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _remove(folder: Path, names: list[str]) -> None:
    """Remove files; one that cannot be removed is left, and goes with the next checkpoint."""
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()


def _flat(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": torch.as_tensor(value) for number, values in state.items() for name, value in values.items()
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
