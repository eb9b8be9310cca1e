"""Pairs per second that Ditto scores and is trained on, in one run.

    python benchmarks/ditto_speed.py [--data DIR] [--encoder NAME] [--tokens N ...] [--rounds N] [--threads N]
                                     [--passes N] [--seeds N ...] [--json FILE]

Scoring: in PyTorch and as it is deployed.

The ways of scoring take turns, round by round; the figures are medians over the rounds, and medians of the ratio to
PyTorch in float32 in the same round. All score the same pairs of random words, all of one length. PyTorch computes
batches of 32, ONNX Runtime as few at a time as prediction does. The weights of the head are random: they do not
change the speed.

Training, if DIR is given (the folder of one ER-Magellan set): our loop beside the loop of Ditto's authors, re-created
(``_original.py``), turn by turn, with the same encoder, the same tokens and, pass by pass, the same pairs: all matches
and three other pairs for each. F1 on the validation pairs is that of the best pass, mean over the seeds; no
augmentation on either side. Validation is not timed.

The time is that of the clock, and that of all processors together. On a machine that does other work as well, take
--threads 1 and the second: PyTorch's threads wait for each other after each operation, busily, and so lose more than
their share, which makes the ratios look better than they are.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from _common import print_table, write_json
from _original import OriginalNetwork, predict_original, train_original
from entity_matching.config import DittoSettings
from entity_matching.ditto.encoders import load_encoder
from entity_matching.ditto.export import trace
from entity_matching.ditto.graph import fused, quantized, stripped
from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.runtime import Runtime
from entity_matching.ditto.sampling import Sampler
from entity_matching.ditto.tokens import TokenizedPair
from entity_matching.ditto.train import best_f1, train_network
from entity_matching.guess import guess_schema
from entity_matching.matcher.deep_pairs import PairTask
from pairs import read_pairs

OURS = DittoSettings(negatives=3.0, learning_rate=8e-5, augment=0.0, mine_every=100)
BATCH = 32
"""Pairs of a batch in PyTorch."""
TOKENS_PER_ROUND = 8_192
"""Tokens that each way of scoring computes in a round."""
BASE = "PyTorch fp32"


def random_pairs(tokens: int, words: int) -> list[TokenizedPair]:
    """Make pairs of random words."""
    rng = np.random.default_rng(tokens)
    ids = rng.integers(words // 2, words, size=(max(BATCH, TOKENS_PER_ROUND // tokens), tokens), dtype=np.int32)
    types = (np.arange(tokens) >= tokens // 2).astype(np.uint8)
    return [TokenizedPair(row, types) for row in ids]


def in_torch(network: PairNetwork, pairs: Sequence[TokenizedPair], *, bf16: bool) -> None:
    """Score pairs of one length in PyTorch."""
    ids, types = (torch.from_numpy(np.stack(rows).astype(np.int64)) for rows in zip(*map(_arrays, pairs), strict=True))
    mask = torch.ones_like(ids)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        for start in range(0, len(pairs), BATCH):
            part = slice(start, start + BATCH)
            network(ids[part], mask[part], types[part])


def _arrays(pair: TokenizedPair) -> tuple[Any, Any]:
    return pair.ids, pair.types


def ways(network: PairNetwork, threads: int) -> dict[str, Callable[[Sequence[TokenizedPair]], object]]:
    """Return the ways of scoring, the one that the others are compared with first."""
    config = network.config
    graph = fused(trace(network), int(config.num_attention_heads), int(config.hidden_size))
    exact, small = (Runtime(stripped(model), threads) for model in (graph, quantized(graph)))
    return {
        BASE: lambda pairs: in_torch(network, pairs, bf16=False),
        "PyTorch bf16": lambda pairs: in_torch(network, pairs, bf16=True),
        "ONNX fp32": exact.score,
        "ONNX int8": small.score,
    }


def compare(
    scorers: Mapping[str, Callable[[Sequence[TokenizedPair]], object]], pairs: Sequence[TokenizedPair], rounds: int
) -> list[dict[str, Any]]:
    """Time the ways of scoring in turns, after a round to warm up."""
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in scorers}
    for number in range(rounds + 1):
        for name, score in scorers.items():
            started = time.perf_counter(), time.process_time()
            score(pairs)
            taken = time.perf_counter() - started[0], time.process_time() - started[1]
            if number:
                speeds[name].append((len(pairs) / taken[0], len(pairs) / taken[1]))
    result = []
    for name, found in speeds.items():
        row: dict[str, Any] = {"tokens": len(pairs[0]), "scoring": name}
        for at, unit in enumerate(("second", "processor second")):
            row[f"pairs per {unit}"] = statistics.median(one[at] for one in found)
            ratios = (one[at] / base[at] for one, base in zip(found, speeds[BASE], strict=True))
            row["ratio" if at == 0 else "ratio (processor)"] = statistics.median(ratios)
        result.append(row)
    return result


def train_both(folder: Path, passes: int, seed: int, threads: int) -> list[dict[str, Any]]:
    """Train with our loop and with the original one, and time both."""
    train, valid = read_pairs(folder, "train"), read_pairs(folder, "valid")
    settings = replace(OURS, epochs=passes, patience=passes, threads=threads)
    encoder = load_encoder("minilm")
    task = PairTask.of(folder.name, train, valid, guess_schema(train.left, train.right), encoder, settings)
    sampler = Sampler.of(task.training.pairs, settings.negatives)
    draws = [sampler.draw(np.random.default_rng([seed, 2, number])) for number in range(passes)]
    pairs = sum(len(drawn) for drawn in draws)
    original = OriginalNetwork(seed)
    shown = [(task.training.tokenized(drawn), train.matches[drawn]) for drawn in draws]
    theirs, best = 0.0, 0.0
    for seconds in train_original(original, task.reader.tokenizer, shown, seed):
        theirs += seconds
        odds = predict_original(original, task.reader.tokenizer, task.validation.tokenized())
        best = max(best, best_f1(odds, valid.matches))
    network = PairNetwork.of(encoder, settings.dropout, seed)
    history = train_network(network, [task.training], [task.validation], settings, seed=seed)
    ours = sum(one.seconds for one in history)
    rows = (("original", theirs, best), ("ours", ours, max(one.f1 for one in history)))
    return [{"loop": loop, "pairs per second": pairs / seconds, "F1": 100 * f1} for loop, seconds, f1 in rows]


def training(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train with every seed; return a row per loop, means over the seeds, with the ratio of the speeds."""
    found = [row for seed in options.seeds for row in train_both(options.data, options.passes, seed, options.threads)]
    result = []
    for loop in ("original", "ours"):
        rows = [row for row in found if row["loop"] == loop]
        result.append(
            {"loop": loop, **{key: statistics.mean(row[key] for row in rows) for key in ("pairs per second", "F1")}}
        )
    for row in result:
        row["ratio"] = row["pairs per second"] / result[0]["pairs per second"]
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of one set of labelled pairs, to time training on")
    parser.add_argument("--passes", type=int, default=4, help="passes over the pairs in training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of training")
    parser.add_argument("--encoder", default="minilm", help="the encoder, by name or folder; default: minilm")
    parser.add_argument("--tokens", nargs="+", type=int, default=[32, 128], help="tokens of a pair; default: 32 128")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that are measured")
    parser.add_argument("--threads", type=int, default=2, help="threads of each way of scoring")
    parser.add_argument("--json", type=Path, help="where to write the results")
    options = parser.parse_args(argv)
    if min(options.rounds, options.threads, *options.tokens) < 1:
        parser.error("--rounds, --threads and --tokens must be at least 1")
    torch.set_num_threads(options.threads)
    encoder = load_encoder(options.encoder)
    network = PairNetwork.of(encoder, dropout=0.1, seed=0).eval()
    scorers = ways(network, options.threads)
    words = int(encoder.config.vocab_size)
    scoring = [
        row for tokens in options.tokens for row in compare(scorers, random_pairs(tokens, words), options.rounds)
    ]
    print_table("Scoring", list(scoring[0]), [list(row.values()) for row in scoring])
    trained = training(options) if options.data is not None else []
    if trained:
        print_table(f"Training on {options.data.name}", list(trained[0]), [list(row.values()) for row in trained])
    settings = {name: getattr(options, name) for name in ("encoder", "rounds", "threads", "passes", "seeds")}
    write_json(options.json, "ditto_speed", {**settings, "batch": BATCH}, {"scoring": scoring, "training": trained})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
