"""F1 of the feature scorer alone on the labelled pairs of ER-Magellan: the floor a language model must lift.

    python benchmarks/pairs.py --data DIR [--sets NAME ...] [--seeds N] [--json FILE]

DIR has one folder per set with ``train.parquet``, ``valid.parquet`` and ``test.parquet``. One recipe for all
sets: the schema is guessed from the training pairs, the scorer is trained on them, the threshold is chosen on
the validation pairs. F1 in per cent on the test pairs, mean and spread (standard deviation) over the seeds;
beside it the best F1 on the validation pairs, by which features and settings are chosen.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from _common import print_table, write_json
from entity_matching.config import ScorerSettings
from entity_matching.guess import guess_schema
from entity_matching.matcher.pairwise import LabelledPairs, PairwiseModel

LEFT_OUT = {"fodors-zagats": ("class",)}
"""Columns that give the answer away."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the sets")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="the sets to run; default: all there are")
    parser.add_argument("--seeds", type=int, default=5, help="runs per set, each with its own seed")
    parser.add_argument("--threads", type=int, default=2, help="threads of LightGBM and rapidfuzz")
    parser.add_argument("--no-test", action="store_true", help="leave the test pairs alone: for choosing settings")
    parser.add_argument("--json", type=Path, help="where to write the results")
    options = parser.parse_args(argv)
    settings = ScorerSettings(monotone=False, threads=options.threads)
    names = options.sets or sorted(path.parent.name for path in options.data.glob("*/train.parquet"))
    if not names or options.seeds < 1:
        parser.error(f"there is no set in {options.data}" if not names else "--seeds must be at least 1")
    results = [measure(options.data / name, settings, range(options.seeds), test=not options.no_test) for name in names]
    columns = list(results[0])
    rows = [[result[column] for column in columns] for result in results]
    means: list[Any] = ["mean", None, None, *(_mean(results, column) for column in columns[3:])]
    print_table("Labelled pairs, features alone", columns, [[_shown(cell) for cell in row] for row in [*rows, means]])
    write_json(options.json, "pairs", {"seeds": options.seeds, "scorer": asdict(settings)}, results)
    return 0


def measure(folder: Path, settings: ScorerSettings, seeds: Sequence[int], *, test: bool) -> dict[str, Any]:
    """Train and test on one set, once per seed."""
    train, valid = (read_pairs(folder, split) for split in ("train", "valid"))
    held_out = read_pairs(folder, "test") if test else None
    schema = guess_schema(train.left, train.right)
    started = time.perf_counter()
    on_valid, on_test = [], []
    for seed in seeds:
        model = PairwiseModel.train(train, valid, schema, settings, seed=seed)
        on_valid.append(_f1(model, valid))
        if held_out is not None:
            on_test.append(_f1(model, held_out))
    return {
        "set": folder.name,
        "pairs": len(train.matches),
        "matches": int(train.matches.sum()),
        "valid F1": float(np.mean(on_valid)),
        "test F1": float(np.mean(on_test)) if on_test else None,
        "spread": float(np.std(on_test)) if on_test else None,
        "seconds": time.perf_counter() - started,
    }


def read_pairs(folder: Path, split: str) -> LabelledPairs:
    """Read one split of a set, without the columns that give the answer away."""
    table = pq.read_table(folder / f"{split}.parquet")
    left, right = (_side(table, f"{side}_", LEFT_OUT.get(folder.name, ())) for side in ("left", "right"))
    return LabelledPairs(left, right, np.asarray(table["label"].to_numpy() == 1, dtype=np.bool_))


def _side(table: pa.Table, prefix: str, left_out: Sequence[str]) -> pa.Table:
    names = [name for name in table.column_names if name.startswith(prefix)]
    plain = [name.removeprefix(prefix) for name in names]
    return table.select(names).rename_columns(plain).drop_columns([name for name in left_out if name in plain])


def _f1(model: PairwiseModel, pairs: LabelledPairs) -> float:
    said: NDArray[np.bool_] = model.decide(pairs.left, pairs.right)
    hits = int((said & pairs.matches).sum())
    return 200.0 * hits / max(int(said.sum()) + int(pairs.matches.sum()), 1)


def _mean(results: Sequence[dict[str, Any]], column: str) -> float | None:
    values = [result[column] for result in results]
    return None if None in values else float(np.mean(values))


def _shown(cell: Any) -> Any:
    return f"{cell:.1f}" if isinstance(cell, float) else cell


if __name__ == "__main__":
    raise SystemExit(main())
