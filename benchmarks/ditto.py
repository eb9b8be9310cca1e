"""F1 on the labelled pairs of ER-Magellan: feature scorer alone, Ditto alone, and the two blended.

    python benchmarks/ditto.py --data DIR [--sets NAME ...] [--seeds N ...] [--adapt] [--no-test] [--checkpoints DIR]
                               [--json FILE]

DIR has one folder per set with ``train.parquet``, ``valid.parquet`` and ``test.parquet``. One recipe for all sets,
no setting chosen per set or on test rows. The encoder (MiniLM-L6, 22.7 million parameters) is fine-tuned on the
training pairs of all the sets together, without those whose words are also a validation or test pair of another
set; ``--adapt`` fine-tunes it on each set by itself afterwards. The pass, the blend (a weighted sum) and the thresholds
are chosen on the validation pairs. Ditto is scored as it is deployed: exported to ONNX, int8.

F1 in per cent on the test pairs, mean over the seeds, with the standard deviation. "features" and "ditto" judge each
pair by itself, as the published figures do. "pairwise" blends the two, each pair by itself; "blended" also hears its
rivals: other test pairs of the same record, and the matches among the training pairs. For "blended" also on test pairs
of which some record is in a training pair ("seen"), and of which none is ("unseen"). "published" is Ditto with
RoBERTa (125 million parameters) and the best setting per set, as its authors report it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from _common import print_table, write_json
from entity_matching.config import DittoSettings, ScorerSettings
from entity_matching.ditto.encoders import load_encoder
from entity_matching.ditto.export import export_model
from entity_matching.ditto.network import PairNetwork
from entity_matching.ditto.predict import DittoModel
from entity_matching.guess import guess_schema
from entity_matching.matcher.deep_pairs import (
    BLENDED,
    DITTO,
    PAIRWISE,
    DeepPairwiseModel,
    PairTask,
    adapt,
    teach_together,
)
from entity_matching.matcher.pairwise import LabelledPairs, PairwiseModel
from pairs import read_pairs

PUBLISHED = {
    "abt-buy": 89.33,
    "amazon-google": 75.58,
    "beer": 94.37,
    "dblp-acm": 98.99,
    "dirty-itunes-amazon": 95.65,
    "dirty-walmart-amazon": 85.69,
    "fodors-zagats": 100.0,
    "itunes-amazon": 97.06,
    "walmart-amazon": 86.76,
}
"""Li et al., VLDB 2020."""
TOGETHER = DittoSettings(epochs=6, negatives=3.0, learning_rate=8e-5, mixda=False)
ALONE = DittoSettings(epochs=3, negatives=4.0, learning_rate=4e-5, mixda=False, mine_every=9)
WAYS = ("features", DITTO, PAIRWISE, BLENDED)
COMPARED = 500
"""Pairs on which the exported network is compared with the trained one."""


class Set(NamedTuple):
    """One data set."""

    name: str
    train: LabelledPairs
    valid: LabelledPairs
    test: LabelledPairs

    @classmethod
    def read(cls, folder: Path) -> Set:
        """Read the three splits."""
        return cls(folder.name, *(read_pairs(folder, split) for split in ("train", "valid", "test")))


def contents(pairs: LabelledPairs) -> NDArray[np.object_]:
    """Return the words of each pair, whatever their order and attribute: a dirty set moves them about."""
    rows = zip(*(_texts(side) for side in (pairs.left, pairs.right)), strict=True)
    return np.array([" ".join(sorted(f"{left} {right}".lower().split())) for left, right in rows], dtype=object)


def _texts(table: pa.Table) -> list[str]:
    return [" ".join(str(value) for value in row.values() if value is not None) for row in table.to_pylist()]


def leaked(sets: Sequence[Set]) -> dict[str, NDArray[np.bool_]]:
    """Say which training pairs of each set are validation or test pairs of another set."""
    held = {one.name: np.concatenate([contents(one.valid), contents(one.test)]) for one in sets}
    result = {}
    for one in sets:
        others = [held[other.name] for other in sets if other.name != one.name]
        known = set(np.concatenate(others).tolist()) if others else set()
        result[one.name] = np.array([text in known for text in contents(one.train).tolist()], dtype=bool)
    return result


def seen(one: Set) -> NDArray[np.bool_]:
    """Say of each test pair whether one of its records is in a training pair."""
    known = [set(_texts(side)) for side in (one.train.left, one.train.right)]
    sides = [_texts(side) for side in (one.test.left, one.test.right)]
    return np.array([left in known[0] or right in known[1] for left, right in zip(*sides, strict=True)], dtype=bool)


def f1(accepted: NDArray[np.bool_], matches: NDArray[np.bool_]) -> float:
    """F1 in per cent; NaN where there is no match to find."""
    below = accepted.sum() + matches.sum()
    return float(200 * (accepted & matches).sum() / below) if matches.any() else float("nan")


def deployed(network: PairNetwork, task: PairTask, threads: int) -> DittoModel:
    """Export the network as a matcher would."""
    reader, sample = task.reader, task.validation.tokenized()[:COMPARED]
    return export_model(network, reader.serializer, reader.tokenizer, sample, threads=threads)


def measure(one: Set, task: PairTask, network: PairNetwork, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Blend for one set, and test."""
    started = time.perf_counter()
    if options.adapt:
        settings = replace(ALONE, device=options.device)
        network = adapt(network, task, settings, seed=seed, checkpoint=options.at(seed, one.name))
    model = deployed(network, task, options.threads)
    scorer = ScorerSettings(monotone=False, threads=options.threads)
    features = PairwiseModel.train(one.train, one.valid, task.schema, scorer, seed=seed)
    blend = DeepPairwiseModel.blend(task, features, model.predict_tokens, one.train, one.valid)
    result: dict[str, Any] = {
        "set": one.name,
        "seed": seed,
        "parity": asdict(model.parity),
        "stack": asdict(blend.blended),
    }
    for split, pairs in (("valid", one.valid), ("test", one.test)):
        if split == "test" and options.no_test:
            continue
        scores, truth = blend.scores(pairs.left, pairs.right), pairs.matches
        accepted = {name: scores[name] >= blend.thresholds[name] for name in scores}
        accepted["features"] = features.predict(pairs.left, pairs.right) >= features.threshold
        result[split] = {name: f1(accepted[name], truth) for name in WAYS}
        if split == "test":
            known = seen(one)
            for name, chosen in (("seen", known), ("unseen", ~known)):
                result[split][name] = f1(accepted[BLENDED][chosen], truth[chosen])
                result[split][f"{name}_pairs"] = int(chosen.sum())
    result["seconds"] = time.perf_counter() - started
    return result


def run(sets: Sequence[Set], seed: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train and test once on all sets."""
    encoder = load_encoder("minilm")
    schemas = [guess_schema(one.train.left, one.train.right) for one in sets]
    tasks = [
        PairTask.of(one.name, one.train, one.valid, schema, encoder, TOGETHER)
        for one, schema in zip(sets, schemas, strict=True)
    ]
    out = leaked(sets)
    network = PairNetwork.of(encoder, TOGETHER.dropout, seed)
    taught = teach_together(
        network,
        [task.without(out[task.name]) for task in tasks],
        replace(TOGETHER, device=options.device),
        seed=seed,
        checkpoint=options.at(seed, "together"),
        progress=_said(),
    )
    results = []
    for one, task in zip(sets, tasks, strict=True):
        results.append(measure(one, task, taught, seed, options))
        print(f"seed {seed}, {one.name}: {results[-1].get('test') or results[-1]['valid']}", flush=True)
    return results


def _said() -> Callable[[str, float], None]:
    """Return what prints progress once a minute."""
    last = [time.monotonic()]

    def say(stage: str, share: float) -> None:
        if time.monotonic() - last[0] > 60:
            last[0] = time.monotonic()
            print(f"{stage} ({share:.0%})", flush=True)

    return say


def summary(results: Sequence[dict[str, Any]], split: str) -> list[list[Any]]:
    """Return a row per set, and their mean."""
    rows: list[list[Any]] = []
    names = list(dict.fromkeys(result["set"] for result in results))
    columns = (*WAYS, "seen", "unseen") if split == "test" else WAYS
    for name in names:
        found = [result[split] for result in results if result["set"] == name]
        means = [float(np.mean([one[column] for one in found])) for column in columns]
        spread = float(np.std([one["blended"] for one in found]))
        rows.append([name, *means, spread, PUBLISHED.get(name)])
    means = [float(np.nanmean([row[at] for row in rows])) for at in range(1, len(columns) + 1)]
    known = [row[-1] for row in rows if row[-1] is not None]
    rows.append(["mean", *means, None, float(np.mean(known)) if known else None])
    return [[round(cell, 1) if isinstance(cell, float) else cell for cell in row] for row in rows]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the sets")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="the sets to run; default: all there are")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="the seeds to run (default: 0)")
    parser.add_argument("--threads", type=int, default=2, help="threads of everything")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--adapt", action="store_true", help="fine-tune on each set by itself afterwards")
    parser.add_argument("--no-test", action="store_true", help="leave the test pairs alone: for choosing settings")
    parser.add_argument("--checkpoints", type=Path, help="folder from which a run that was killed goes on")
    parser.add_argument("--json", type=Path, help="where to write the results")
    options = parser.parse_args(argv)
    names = options.sets or sorted(path.parent.name for path in options.data.glob("*/train.parquet"))
    if not names:
        parser.error(f"there is no set in {options.data}")
    kept = options.checkpoints
    options.at = lambda seed, stage: None if kept is None else kept / f"seed-{seed}" / stage
    sets = [Set.read(options.data / name) for name in names]
    results = [result for seed in options.seeds for result in run(sets, seed, options)]
    split = "valid" if options.no_test else "test"
    columns = [
        "set",
        *WAYS,
        *(["seen", "unseen"] if split == "test" else []),
        "spread",
        "published",
    ]
    print_table(f"F1 on the {split} pairs, seeds {options.seeds}", columns, summary(results, split))
    settings = {"seeds": options.seeds, "together": asdict(TOGETHER), "alone": asdict(ALONE)}
    write_json(options.json, "ditto", settings, results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
