"""The network's own answers, while it is in PyTorch: for validation and for what is learnt on held-out pairs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from entity_matching.config import DittoSettings
from entity_matching.ditto.batches import parts
from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.tokens import PairTokenizer, TokenizedPair
from entity_matching.errors import SettingsError

log = logging.getLogger(__name__)

THREAD_LIMIT = "OMP_THREAD_LIMIT"
"""Variable of the environment by which OpenMP starts no more threads, whatever it is asked for."""


def device_of(settings: DittoSettings) -> torch.device:
    """Return the device that the settings ask for; ``auto`` is CUDA where there is one.

    :raises SettingsError: if torch knows no such device, or it is not there.
    """
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=settings.device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingsError(
            f"The setting 'device' is '{settings.device}', which torch cannot use on this machine.",
            remedy="Set it to 'cpu', or to 'auto': CUDA where there is one.",
        ) from error


def computes_in_bf16(settings: DittoSettings, device: torch.device) -> bool:
    """Say whether to compute in bfloat16: as asked, or where the processor has instructions for it."""
    if settings.precision != "auto":
        return settings.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    asked = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(bool(ask()) for ask in asked if ask is not None)


def threads_of(settings: DittoSettings, environment: Mapping[str, str]) -> int:
    """Return the number of threads to compute with: that of the settings, but no more than OpenMP may start.

    Told of more than it gets, torch leaves out what the missing ones should have computed, and a loss becomes NaN
    (seen with torch 2.13 on a CPU, in bfloat16 alone).
    """
    limit = environment.get(THREAD_LIMIT, "")
    if not limit.isdecimal() or not 0 < int(limit) < settings.threads:
        return settings.threads
    log.info("%s of %d threads are used: %s allows no more.", limit, settings.threads, THREAD_LIMIT)
    return int(limit)


@contextmanager
def computing(settings: DittoSettings) -> Iterator[None]:
    """Set the threads, and leave torch's threads and draws at random as they were afterwards."""
    device, threads = device_of(settings), torch.get_num_threads()
    torch.set_num_threads(threads_of(settings, os.environ))
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_num_threads(threads)


def tensors(
    tokenizer: PairTokenizer, pairs: Sequence[TokenizedPair], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return tokens, mask and types of pairs, padded to the longest, each of shape (pairs, tokens)."""
    ids, mask, types = (torch.from_numpy(array).to(device) for array in tokenizer.pad(pairs))
    return ids, mask, types


def predict(
    network: PairNetwork, tokenizer: PairTokenizer, pairs: Sequence[TokenizedPair], settings: DittoSettings
) -> NDArray[np.float64]:
    """Return the log-odds of each pair, shape (pairs,), computed as training computes.

    They do not depend on the pairs' order, but for rounding: some 1e-6 in float32, some 1e-2 in bfloat16.

    :param tokenizer: that made the pairs; it pads them.
    """
    device = next(network.parameters()).device
    lengths = np.array([len(pair.ids) for pair in pairs], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    odds = np.zeros(len(pairs), dtype=np.float64)
    was_training = network.training
    network.eval()
    most = 2 * settings.step_tokens  # nothing is kept for gradients, so twice as much fits
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, computes_in_bf16(settings, device)):
        for part in parts(lengths[order], most):
            rows = order[part]
            odds[rows] = network(*tensors(tokenizer, [pairs[row] for row in rows.tolist()], device)).cpu().numpy()
    network.train(was_training)
    return odds
