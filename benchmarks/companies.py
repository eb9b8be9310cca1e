"""How well messy company listings are matched: with labels and with none, all columns and names alone.

Protocol: 5-fold cross-validation over entities; scorer, calibration and thresholds are learnt inside the
training folds. "none": nothing is learnt from labels, they only score the result. A true positive is a record
matched to its own company; accepting a record that has no counterpart is a false positive.

F1 is taken at the threshold that was best inside the training folds; precision and recall of the automatic
decisions at the threshold for the target precision (0.98); recall at a precision over the pooled confidences.

    python benchmarks/companies.py --data DIR [--json FILE] [--seeds N] [--only all|names] [--ditto]

With ``--ditto`` each figure is given with and without Ditto (MiniLM-L6). It is taught on noisy copies of the
reference once, which needs no label, and on the labels of the training folds in each fold; and F1 is given against the
share of the candidates that the cascade sends to Ditto, the blend learnt anew for each band; and for
some weights of synthetic pairs in the blend.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from _common import print_table, write_json
from entity_matching.config import CascadeSettings, DittoSettings, MatcherSettings
from entity_matching.evaluate import evaluate_matches
from entity_matching.files import read_table
from entity_matching.matcher.folds import entity_folds
from entity_matching.matcher.model import Model
from entity_matching.matcher.train import Learnt, Task
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMAS = {
    "all": Schema.from_yaml(
        """
        entity: company
        key: {source: source_id, reference: company_id}
        attributes:
          company_name: name
          ticker: {kind: identifier, type: ticker}
          country: {kind: category, type: country}
          city: {kind: category, type: place}
          isin: {kind: identifier, type: isin}
          cusip: {kind: identifier, type: cusip}
          website: {kind: identifier, type: website}
          industry: {kind: category}
        """
    ),
    "names": Schema.from_yaml("{key: {source: source_id, reference: company_id}, attributes: {company_name: name}}"),
}
FOLDS = 5
COPIES = 1_000
DEPTH = 50
DITTO = DittoSettings(epochs=4, max_tokens=64)
BANDS = ((0.3, 0.7), (0.1, 0.9), (0.03, 0.97), (0.01, 0.99), (0.003, 0.997), (0.001, 0.999), (0.0002, 0.9998))
"""Of the curve: the feature scorer's probability between which a candidate is sent, the widest last. To send all would
take most of an hour more, and the widest already sends many times what the default does."""
WEIGHTS = (0.3, 0.1, 0.03, 0.0)
"""What a synthetic pair counts in the blend, for the default band, besides the default."""
COLUMNS = ("columns", "labels", "seed", "F1", "precision", "recall", "R@P.98", "R@P.99", "ECE", "copies", "seconds")


class Tables(NamedTuple):
    """One data set, as its README describes it."""

    source: pa.Table
    reference: pa.Table
    labels: pa.Table

    @classmethod
    def read(cls, folder: Path) -> Tables:
        """Read the three files."""
        truth = read_table(folder / "truth.csv")
        labels = pa.table({"source_key": truth["source_id"], "reference_key": truth["company_id"]})
        return cls(read_table(folder / "source.csv"), read_table(folder / "reference.csv"), labels)


class Decided(NamedTuple):
    """The result for all records, and which of them the best-F1 threshold accepts."""

    result: pa.Table
    accepted: NDArray[np.bool_]


def with_labels(task: Task, settings: MatcherSettings) -> Decided:
    """Decide each record by a model trained on the other folds."""
    assert task.examples is not None and task.sources is not None
    fold = entity_folds(task.examples.group, FOLDS, settings.seed)
    parts = []
    for held_out in range(FOLDS):
        rows = np.flatnonzero(fold == held_out)
        parts.append(Banded(rows, decide(task.train(settings, fold != held_out), task, rows), 0.0))
    return _together(parts)


def decide(model: Model, task: Task, rows: NDArray[np.int64]) -> Decided:
    """Decide the given labelled records."""
    assert task.sources is not None
    result = model.decide(task.sources.take(pa.array(rows)).combine_chunks(), task.reference)
    confidence = result["confidence"].to_numpy()
    exact = np.isin(result["method"].to_numpy(), ["identifier", "exact_name"])
    return Decided(result, exact | (confidence >= model.thresholds.best_f1))


def f1(decided: Decided, labels: pa.Table) -> float:
    """F1 of what the best-F1 threshold accepts."""
    truth = dict(zip(labels["source_key"].to_pylist(), labels["reference_key"].to_pylist(), strict=True))
    best = [listed[0]["entity_id"] if listed else None for listed in decided.result["candidates"].to_pylist()]
    wanted = [truth[key] or None for key in decided.result["source_key"].to_pylist()]
    right = np.array([one is not None and one == two for one, two in zip(best, wanted, strict=True)])
    positives = sum(key is not None for key in wanted)
    return float(2 * (right & decided.accepted).sum() / (decided.accepted.sum() + positives))


def exact_copies(model: Model, task: Task, tables: Tables, schema: Schema, seed: int) -> float:
    """Share of reference records, fed back as sources, that are matched to themselves.

    A third as they are, a third by their name alone, a third in capitals; the worst third counts.
    """
    rows = np.random.default_rng(seed).choice(tables.reference.num_rows, COPIES, replace=False)
    copies = tables.reference.take(pa.array(rows)).rename_columns(
        ["source_id" if name == "company_id" else name for name in tables.reference.column_names]
    )
    as_name = copies.select(["source_id", "company_name"])
    place = copies.column_names.index("company_name")
    upper = copies.set_column(place, "company_name", pc.utf8_upper(copies["company_name"])).drop_columns(
        [name for name in ("isin", "cusip") if name in copies.column_names]
    )
    shares = []
    for table in (copies, as_name, upper):
        result = model.decide(normalize_table(table, schema, Side.SOURCE).combine_chunks(), task.reference)
        same = pc.and_(pc.equal(result["decision"], "match"), pc.equal(result["entity_id"], result["source_key"]))
        shares.append(float(pc.mean(pc.fill_null(same, False).cast(pa.float64())).as_py()))
    return min(shares)


def search_alone(task: Task, tables: Tables, seed: int) -> dict[str, Any]:
    """Accept the first candidate by the search score alone: what the scorer adds is measured against this."""
    assert task.sources is not None and task.truth is not None
    found = task.reference.index.search(task.sources, DEPTH)
    truth = task.truth
    rank = np.full(len(truth), DEPTH)
    hit = found.reference == truth[found.source]
    rank[found.source[hit]] = found.rank[hit]
    has = truth >= 0
    first = np.flatnonzero(found.rank == 0)
    score = np.zeros(len(truth))
    score[found.source[first]] = found.fused[first]
    right = rank == 0
    assert task.examples is not None
    fold = entity_folds(task.examples.group, FOLDS, seed)
    accepted = np.zeros(len(truth), dtype=bool)
    for held_out in range(FOLDS):
        inside = fold != held_out
        steps = np.quantile(score[inside], np.linspace(0, 1, 301))
        taken = [inside & (score >= step) for step in steps]
        values = [2 * (right & some).sum() / (some.sum() + (has & inside).sum()) for some in taken]
        best = steps[int(np.argmax(values))]
        accepted |= (fold == held_out) & (score >= best)
    return {
        "f1": float(2 * (right & accepted).sum() / (accepted.sum() + has.sum())),
        "candidate_recall": {str(k): float((rank[has] < k).mean()) for k in (1, 5, 10, 20, DEPTH)},
    }


class Curve(NamedTuple):
    """How each record is decided, by the settings' band; a model that decides so; and what each band gives."""

    decided: Decided
    model: Model
    points: list[dict[str, Any]]


def curve(task: Task, tables: Tables, settings: MatcherSettings) -> Curve:
    """Decide each record by models trained on the other folds, for each band and weight: Ditto is taught once a fold.

    The model is that of the last fold.
    """
    assert task.examples is not None
    fold = entity_folds(task.examples.group, FOLDS, settings.seed)
    cascades = {CascadeSettings(*band) for band in BANDS} | {CascadeSettings(extra_weight=some) for some in WEIGHTS}
    bands = sorted({settings.cascade} | cascades, key=lambda band: (-band.low, -band.extra_weight))
    widest = replace(settings, cascade=bands[-1])
    folds = []
    for held_out in range(FOLDS):
        begun = time.perf_counter()
        learnt = task.learn(widest, fold != held_out)
        rows = np.flatnonzero(fold == held_out)
        alone = replace(learnt, taught=None).model(settings)
        parts = [Banded(rows, decide(alone, task, rows), 0.0)]
        folds.append(parts + [_with_band(learnt, task, rows, replace(settings, cascade=band)) for band in bands])
        model = learnt.model(settings)
        print(f"fold {held_out + 1} of {FOLDS}: {time.perf_counter() - begun:.0f} s", flush=True)
    together = [_together(parts) for parts in zip(*folds, strict=True)]
    points = []
    for band, decided, *parts in zip([None, *bands], together, *folds, strict=True):
        evaluation = evaluate_matches(decided.result, tables.labels, draws=0).to_dict()
        points.append(
            {
                "low": None if band is None else band.low,
                "high": None if band is None else band.high,
                "weight": None if band is None else band.extra_weight,
                "share": float(np.mean([part.share for part in parts])),
                "f1": f1(decided, tables.labels),
                "recall_at_0.99": evaluation["recall_at_precision"]["0.99"]["value"],
                "ece": evaluation["ece"]["value"],
            }
        )
    return Curve(together[1 + bands.index(settings.cascade)], model, points)


class Banded(NamedTuple):
    """What a band's model decides of one fold's records, and the share of candidates that it sends to Ditto."""

    rows: NDArray[np.int64]
    decided: Decided
    share: float


def _with_band(learnt: Learnt, task: Task, rows: NDArray[np.int64], settings: MatcherSettings) -> Banded:
    assert learnt.taught is not None
    share = learnt.taught.card(settings)["cost"]["share_of_candidates"]
    return Banded(rows, decide(learnt.model(settings), task, rows), share)


def _together(parts: Sequence[Banded]) -> Decided:
    order = np.argsort(np.concatenate([part.rows for part in parts]), kind="stable")
    return Decided(
        pa.concat_tables([part.decided.result for part in parts]).take(pa.array(order)),
        np.concatenate([part.decided.accepted for part in parts])[order],
    )


def run(tables: Tables, columns: str, options: argparse.Namespace) -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """Measure one choice of columns, with labels and with none, without Ditto and with it."""
    schema = SCHEMAS[columns]
    rows, results = [], []
    for seed in range(options.seeds):
        base = MatcherSettings(seed=seed, ditto=DITTO if options.ditto else None)
        settings = replace(base, decision=replace(base.decision, listed=base.search.limit))
        task = Task.prepare(tables.source, tables.reference, tables.labels, schema, settings)
        alone = search_alone(task, tables, seed)
        rows.append([columns, "search alone", seed, alone["f1"], *[None] * 7])
        results.append({"columns": columns, "labels": "search alone", "seed": seed, **alone})
        for one in (replace(task, deep=None), task) if options.ditto else (task,):
            for labels in ("all", "none"):
                begun = time.perf_counter()
                decided, model, points = measured(one, tables, labels, settings)
                seconds = time.perf_counter() - begun
                copies = exact_copies(model, task, tables, schema, seed)
                evaluation = evaluate_matches(decided.result, tables.labels, seed=seed, draws=200).to_dict()
                row = {
                    "columns": columns,
                    "labels": labels,
                    "ditto": one.deep is not None,
                    "seed": seed,
                    "f1": f1(decided, tables.labels),
                    "exact_copies": copies,
                    "seconds": seconds,
                    "evaluation": evaluation,
                    "curve": points,
                }
                results.append(row)
                named = f"{labels} + Ditto" if one.deep is not None else labels
                rows.append([columns, named, seed, row["f1"], *_figures(evaluation), copies, seconds])
    return rows, results


def measured(task: Task, tables: Tables, labels: str, settings: MatcherSettings) -> Curve:
    """Decide each record, with all labels but its fold's or with none; with Ditto and labels for each band."""
    if labels == "none":
        assert task.truth is not None
        model = replace(task, examples=None).train(settings)
        return Curve(decide(model, task, np.arange(task.truth.size)), model, [])
    if task.deep is None:
        return Curve(with_labels(task, settings), task.train(settings), [])
    return curve(task, tables, settings)


def _figures(evaluation: dict[str, Any]) -> list[float | None]:
    at = evaluation["recall_at_precision"]
    estimates = (evaluation["precision"], evaluation["recall"], at["0.98"], at["0.99"], evaluation["ece"])
    return [estimate["value"] for estimate in estimates]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with source.csv, reference.csv, truth.csv")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 (default 1)")
    parser.add_argument("--only", choices=sorted(SCHEMAS), help="one choice of columns")
    parser.add_argument("--ditto", action="store_true", help="measure with Ditto too (most of an hour a seed)")
    arguments = parser.parse_args(argv)
    tables = Tables.read(arguments.data)
    rows, results = [], []
    for columns in [arguments.only] if arguments.only else ["all", "names"]:
        some_rows, some_results = run(tables, columns, arguments)
        rows += some_rows
        results += some_results
    print_table(f"{arguments.data.name}: {tables.source.num_rows:,} x {tables.reference.num_rows:,}", COLUMNS, rows)
    for result in (one for one in results if one.get("curve")):
        points = [list(point.values()) for point in result["curve"]]
        title = f"by the band that is sent to Ditto ({result['columns']}, seed {result['seed']})"
        print_table(title, list(result["curve"][0]), points)
    recall = next(result["candidate_recall"] for result in results if "candidate_recall" in result)
    print_table("candidate recall", [f"@{k}" for k in recall], [list(recall.values())])
    write_json(arguments.json, "companies", {"data": arguments.data.name, "seeds": arguments.seeds}, results)


if __name__ == "__main__":
    main()
