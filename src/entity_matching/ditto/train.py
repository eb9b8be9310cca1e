"""Training: fine-tuning the network on labelled pairs of one data set or of several at once."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch.nn import functional

from entity_matching.config import DittoSettings
from entity_matching.ditto.augment import Augmenter
from entity_matching.ditto.batches import batches, parts
from entity_matching.ditto.checkpoint import State, load_checkpoint, restore_optimizer, save_checkpoint
from entity_matching.ditto.data import Example, ExampleMaker, PairSet
from entity_matching.ditto.inference import computes_in_bf16, computing, device_of, predict, tensors
from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.sampling import Sampler
from entity_matching.errors import LabelsError, SettingsError, TrainingError

log = logging.getLogger(__name__)

Progress = Callable[[str, float], None]
"""Called with what is being done, with loss and F1 so far, and the share of it that is done, 0 to 1."""
Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Pass:
    """One pass over the data: its mean loss, and the best F1 and the loss on the validation pairs after it."""

    number: int
    loss: float
    f1: float
    validation_loss: float
    seconds: float


def train_network(
    network: PairNetwork,
    training: Sequence[PairSet],
    validation: Sequence[PairSet],
    settings: DittoSettings,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> list[Pass]:
    """Fine-tune a network; it ends with the weights of the pass that was best on the validation pairs.

    On one machine the same data, settings and seed give the same weights, also after a kill.

    :param network: is moved to the settings' device, and stays there.
    :param training: data sets to learn from together; their tokenizers may differ in the words' weights, not in
        the tokens. ``validation``: those that say which pass was best; each counts the same.
    :param seed: at least 0.
    :param checkpoint: folder to keep where training stands in; if it holds that of the same training, this
        goes on from there.
    :param progress: is told loss and F1 after each batch; what it raises ends the training.
    :return: what each pass gave, in order.
    :raises LabelsError: if matches or non-matches are missing from the training or the validation pairs.
    :raises SettingsError: if the encoder cannot read as many tokens, or there is no such device.
    :raises TrainingError: if the loss is no longer a number; the network then has the last good weights.
    :raises OutputError: if a checkpoint cannot be written; the network then is as training left it.
    """
    for data, what in ((training, "training"), (validation, "validation")):
        _check(data, what)
    most = network.most_tokens
    if most is not None and settings.max_tokens > most:
        raise SettingsError(
            f"The setting 'max_tokens' is {settings.max_tokens}; the encoder reads at most {most} tokens.",
            remedy=f"Set it to {most} or less, or take another encoder.",
        )
    device = device_of(settings)
    network.to(device)
    with computing(settings):
        run = _Run(network, training, validation, settings, seed, checkpoint, progress, device)
        run.resume()
        run.train()
    return [Pass(**values) for values in run.state.history]  # type: ignore[arg-type]


def _check(data: Sequence[PairSet], what: str) -> None:
    if not data:
        raise LabelsError(f"there are no {what} pairs.", remedy="Give at least one data set of labelled pairs.")
    for one in data:
        one.pairs.check(what)


class _Run:
    """One training, from where it stands to its end."""

    def __init__(  # noqa: PLR0913 - made by train_network alone
        self,
        network: PairNetwork,
        training: Sequence[PairSet],
        validation: Sequence[PairSet],
        settings: DittoSettings,
        seed: int,
        folder: Path | None,
        progress: Progress | None,
        device: torch.device,
    ) -> None:
        self.network, self.settings, self.seed = network, settings, seed
        self.folder, self.device = folder, device
        self.tell = progress or (lambda stage, share: None)
        self.sets = training
        self.samplers = [Sampler.of(data.pairs, settings.negatives) for data in training]
        self.held_out = validation
        alpha = settings.mixda_alpha if settings.mixda else None
        self.maker = ExampleMaker(self.sets, Augmenter(), settings.augment, alpha)
        self.optimizer = _optimizer(network, settings)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.bf16 = computes_in_bf16(settings, device)
        self.state = State(_fingerprint(training, validation, network, settings, seed))
        self.best: Weights = {}
        self.steps = max(1, math.ceil(sum(len(s.draw(self._rng(0))) for s in self.samplers) / settings.batch))
        self.saved, self.has_checkpoint = time.monotonic(), False

    def _rng(self, *where: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *where])

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one of this training."""
        found = load_checkpoint(self.folder, self.state.fingerprint) if self.folder is not None else None
        self.best = _copy(self.network)
        self.has_checkpoint = found is not None
        if found is None:
            return
        self.state, weights, self.best, optimizer = found
        self.network.load_state_dict(weights)
        restore_optimizer(self.optimizer, optimizer)
        for sampler, hardness in zip(self.samplers, self.state.hardness, strict=True):
            sampler.hardness = np.array(hardness)
        log.info("going on from pass %d, batch %d", self.state.epoch + 1, self.state.batch)

    def train(self) -> None:
        """Train until the last pass, or until none is better any more."""
        while self.state.epoch < self.settings.epochs and not self._is_stuck():
            self._pass()
        self.network.load_state_dict(self.best)
        self.network.eval()
        f1 = self.state.history[self.state.best]["f1"]
        self.tell(f"Ditto, trained: best of {self.state.epoch} passes has F1 {f1:.3f}", 1.0)

    def _is_stuck(self) -> bool:
        return self.state.best >= 0 and self.state.epoch - 1 - self.state.best >= self.settings.patience

    def _pass(self) -> None:
        state, epoch, started = self.state, self.state.epoch, time.monotonic()
        rng = self._rng(1, epoch)
        if epoch > 0 and state.batch == 0 and epoch % self.settings.mine_every == 0:
            self._mine(rng)
        rng = self._rng(2, epoch)
        numbers = [(at, int(n)) for at, sampler in enumerate(self.samplers) for n in sampler.draw(rng)]
        numbers = [numbers[at] for at in rng.permutation(len(numbers))]
        lengths = np.array([self._length(number) for number in numbers], dtype=np.int64)
        dealt = batches(lengths, self.settings.batch, rng)
        self.network.train()
        for at in range(state.batch, len(dealt)):
            step = epoch * self.steps + at
            self._set_rates(step)
            torch.manual_seed((self.seed * 1_000_003 + step) % 2**63)  # torch takes no longer ones
            examples = self._examples([numbers[n] for n in dealt[at].tolist()], self._rng(3, step))
            loss = self._step(examples)
            if not math.isfinite(loss):
                self._give_up(step)
            state.losses = state.losses[0] + loss * len(examples), state.losses[1] + len(examples)
            state.batch = at + 1
            self._report(at + 1, len(dealt))
            if time.monotonic() - self.saved >= 60 * self.settings.checkpoint_minutes:
                self._save()
        self._end_pass(time.monotonic() - started)

    def _length(self, number: tuple[int, int]) -> int:
        data = self.sets[number[0]]
        left, right = data.pairs.pairs[number[1]].tolist()
        return min(self.settings.max_tokens, len(data.left[left].ids) + len(data.right[right].ids))

    def _examples(self, numbers: list[tuple[int, int]], rng: np.random.Generator) -> list[Example]:
        return [self.maker.example(number, rng) for number in numbers]

    def _step(self, examples: list[Example]) -> float:
        """Learn from a batch, part by part; return its mean loss, NaN if nothing can be learnt from it."""
        self.optimizer.zero_grad(set_to_none=True)
        lengths = np.array([max(len(e.pair), len(e.second or ())) for e in examples], dtype=np.int64)
        rows = np.array([1 + (e.second is not None) for e in examples], dtype=np.int64)
        total = sum(example.weight for example in examples)
        loss = 0.0
        for part in parts(lengths, self.settings.step_tokens, rows):
            value = self._loss(examples[part]) / total
            value.backward()  # type: ignore[no-untyped-call]
            loss += float(value.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        if not math.isfinite(loss + float(norm)):
            return math.nan
        self.optimizer.step()
        return loss

    def _loss(self, examples: list[Example]) -> torch.Tensor:
        """Return the weighted sum of the examples' losses."""
        second = [(row, example) for row, example in enumerate(examples) if example.second is not None]
        pairs = [example.pair for example in examples] + [e.second for _, e in second if e.second is not None]
        with torch.autocast(self.device.type, torch.bfloat16, self.bf16):
            reading = self.network.read(*tensors(self.sets[0].tokenizer, pairs, self.device))
            if second:
                rows = torch.tensor([row for row, _ in second], device=self.device)
                kept = torch.tensor([[e.kept] for _, e in second], device=self.device, dtype=reading.dtype)
                first, extra = reading[: len(examples)], reading[len(examples) :]
                reading = first.index_copy(0, rows, kept * first[rows] + (1 - kept) * extra)
            odds = self.network.judge(reading)
        truth = torch.tensor([float(example.match) for example in examples], device=self.device)
        weight = torch.tensor([example.weight for example in examples], device=self.device)
        return functional.binary_cross_entropy_with_logits(odds, truth, weight=weight, reduction="sum")

    def _set_rates(self, step: int) -> None:
        """Rise linearly over the first steps, then fall linearly to nothing."""
        total = self.steps * self.settings.epochs
        rise = max(1.0, self.settings.warm_up * total)
        share = min((step + 1) / rise, max(0.0, (total - step) / max(1.0, total - rise)))
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * share

    def _mine(self, rng: np.random.Generator) -> None:
        """Score some of the pairs that do not match, so that those taken for matches are drawn more often."""
        for sampler, data in zip(self.samplers, self.sets, strict=True):
            pool = sampler.pool(self.settings.mining_pool, rng)
            odds = predict(self.network, data.tokenizer, data.tokenized(pool), self.settings)
            sampler.mine(pool, expit(odds))

    def _end_pass(self, seconds: float) -> None:
        state = self.state
        f1, loss = self._validate()
        if not math.isfinite(loss):
            self._give_up(state.epoch * self.steps + state.batch - 1)
        done = Pass(state.epoch, state.losses[0] / max(1, state.losses[1]), f1, loss, seconds)
        state.history.append(asdict(done))
        best = state.history[state.best] if state.best >= 0 else None
        if best is None or (f1, -loss) > (best["f1"], -best["validation_loss"]):
            state.best, self.best = state.epoch, _copy(self.network)
        log.info("pass %d: loss %.4f, validation F1 %.4f (%.0f s)", state.epoch + 1, done.loss, f1, seconds)
        state.epoch, state.batch, state.losses = state.epoch + 1, 0, (0.0, 0)
        if self.folder is not None:
            self._save()

    def _validate(self) -> tuple[float, float]:
        """Return the best F1 and the loss on the validation pairs, each the mean over the data sets."""
        found = []
        for data in self.held_out:
            odds = predict(self.network, data.tokenizer, data.tokenized(), self.settings)
            found.append((best_f1(odds, data.pairs.matches), log_loss(odds, data.pairs.matches)))
        f1, loss = np.mean(found, axis=0).tolist()
        return f1, loss

    def _save(self) -> None:
        if self.folder is None:
            return
        if not all(bool(torch.isfinite(value).all()) for value in self.network.parameters()):
            self._give_up(self.state.epoch * self.steps + self.state.batch - 1)
        self.state.hardness = [sampler.hardness.tolist() for sampler in self.samplers]
        save_checkpoint(self.folder, self.state, self.network.state_dict(), self.best, self.optimizer)
        self.saved, self.has_checkpoint = time.monotonic(), True

    def _report(self, done: int, total: int) -> None:
        state = self.state
        f1 = f", F1 {state.history[state.best]['f1']:.3f}" if state.best >= 0 else ""
        stage = (
            f"Ditto, pass {state.epoch + 1}/{self.settings.epochs}: loss {state.losses[0] / state.losses[1]:.3f}{f1}"
        )
        self.tell(stage, (state.epoch + done / total) / self.settings.epochs)

    def _give_up(self, step: int) -> None:
        self.network.load_state_dict(self.best)
        self.network.eval()
        kept = f"the best so far, of pass {self.state.best + 1}" if self.state.best >= 0 else "those of the start"
        where = f"; the last good checkpoint is in {self.folder}" if self.has_checkpoint else ""
        raise TrainingError(
            f"The loss is no longer a number, at step {step + 1:,}. The weights kept are {kept}{where}.",
            remedy="Lower learning_rate, set precision to 'fp32', or look for damaged weights in the encoder.",
        )


def best_f1(odds: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the best F1 that a threshold on the scores gives, 0 to 1."""
    order = np.argsort(-odds, kind="stable")
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + int(truth.sum()))
    ends = np.r_[np.diff(odds[order]) < 0, True]  # equal scores are accepted together
    return float(f1[ends].max())


def log_loss(odds: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the mean cross-entropy of log-odds."""
    return float(np.logaddexp(0, np.where(truth, -odds, odds)).mean())


def _optimizer(network: PairNetwork, settings: DittoSettings) -> torch.optim.AdamW:
    """AdamW; what is new learns at its own rate, and norms and biases do not decay."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, value in network.named_parameters():
        rate = settings.learning_rate if name.startswith("encoder.") else settings.head_rate
        decay = 0.0 if value.dim() < 2 else settings.weight_decay
        groups.setdefault((rate, decay), []).append(value)
    return torch.optim.AdamW(
        [{"params": values, "lr": rate, "weight_decay": decay} for (rate, decay), values in groups.items()], fused=True
    )


def _copy(network: PairNetwork) -> Weights:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def _fingerprint(
    training: Sequence[PairSet], validation: Sequence[PairSet], network: PairNetwork, settings: DittoSettings, seed: int
) -> str:
    """Return a digest of all that decides what a training gives."""
    digest = hashlib.sha256()  # threads change the time, and no more than the last bits
    lasting: dict[str, Any] = asdict(replace(settings, checkpoint_minutes=0.0, threads=1))
    digest.update(json.dumps([lasting, seed], sort_keys=True).encode())
    for role, sets in (("training", training), ("validation", validation)):
        for data in sets:
            digest.update(f"{role} {len(data.left)} {len(data.right)} {len(data.pairs)}".encode())
            for record, encoded in zip((*data.pairs.left, *data.pairs.right), (*data.left, *data.right), strict=True):
                digest.update(repr(record).encode())
                digest.update(encoded.ids.tobytes() + encoded.rank.tobytes())
            for array in (data.pairs.pairs, data.pairs.matches, data.pairs.weight):
                digest.update(np.ascontiguousarray(array).tobytes())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
