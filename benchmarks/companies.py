"""How well messy company listings are matched: with labels and with none, all columns and names alone.

Protocol: 5-fold cross-validation over entities; scorer, calibration and thresholds are learnt inside the
training folds. "none": nothing is learnt from labels, they only score the result. A true positive is a record
matched to its own company; accepting a record that has no counterpart is a false positive.

F1 is taken at the threshold that was best inside the training folds; precision and recall of the automatic
decisions at the threshold for the target precision (0.98); recall at a precision over the pooled confidences.

    python benchmarks/companies.py --data DIR [--json FILE] [--seeds N] [--only all|names] [--ditto] [--curve]

With ``--ditto`` each figure is given with and without Ditto (MiniLM-L6). It is taught on noisy copies of the
reference once, which needs no label, and on the labels of the training folds in each fold. ``--curve`` gives F1
against the share of the candidates that the cascade sends to Ditto: Ditto is taught once per fold, the blend
learnt anew for each band.
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
from entity_matching.matcher.train import Task
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
        """
    ),
    "names": Schema.from_yaml("{key: {source: source_id, reference: company_id}, attributes: {company_name: name}}"),
}
FOLDS = 5
COPIES = 1_000
DEPTH = 50
DITTO = DittoSettings(epochs=4, max_tokens=64)
BANDS = ((0.3, 0.7), (0.1, 0.9), (0.03, 0.97), (0.01, 0.99), (0.003, 0.997), (0.001, 0.999), (0.0, 1.0))
"""Of the curve: the feature scorer's probability between which a candidate is sent; the last sends all."""
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
    rows, parts, accepted = [], [], []
    for held_out in range(FOLDS):
        chosen = np.flatnonzero(fold == held_out)
        decided = decide(task.train(settings, fold != held_out), task, chosen)
        rows.append(chosen)
        parts.append(decided.result)
        accepted.append(decided.accepted)
    order = np.argsort(np.concatenate(rows), kind="stable")
    return Decided(pa.concat_tables(parts).take(pa.array(order)), np.concatenate(accepted)[order])


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


def curve(task: Task, tables: Tables, settings: MatcherSettings) -> list[dict[str, Any]]:
    """F1 with labels for each band of the cascade, and the share of candidates that it sends to Ditto."""
    assert task.examples is not None
    fold = entity_folds(task.examples.group, FOLDS, settings.seed)
    everything = replace(settings, cascade=CascadeSettings(low=0.0, high=1.0))
    parts: dict[tuple[float, float], list[tuple[NDArray[np.int64], Decided, float]]] = {band: [] for band in BANDS}
    for held_out in range(FOLDS):
        rows = np.flatnonzero(fold == held_out)
        learnt = task.learn(everything, fold != held_out)
        assert learnt.taught is not None
        for band in BANDS:
            narrowed = replace(settings, cascade=CascadeSettings(*band))
            share = learnt.taught.card(narrowed)["cost"]["share_of_candidates"]
            parts[band].append((rows, decide(learnt.model(narrowed), task, rows), share))
    result = []
    for band, found in parts.items():
        order = np.argsort(np.concatenate([rows for rows, _, _ in found]), kind="stable")
        decided = Decided(
            pa.concat_tables([one.result for _, one, _ in found]).take(pa.array(order)),
            np.concatenate([one.accepted for _, one, _ in found])[order],
        )
        evaluation = evaluate_matches(decided.result, tables.labels, draws=0).to_dict()
        result.append(
            {
                "low": band[0],
                "high": band[1],
                "share": float(np.mean([share for _, _, share in found])),
                "f1": f1(decided, tables.labels),
                "recall_at_0.99": evaluation["recall_at_precision"]["0.99"]["value"],
                "ece": evaluation["ece"]["value"],
            }
        )
    return result


def run(tables: Tables, columns: str, options: argparse.Namespace) -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """Measure one choice of columns, with labels and with none, without Ditto and with it."""
    schema = SCHEMAS[columns]
    rows, results = [], []
    for seed in range(options.seeds):
        base = MatcherSettings(seed=seed, ditto=DITTO if options.ditto or options.curve else None)
        settings = replace(base, decision=replace(base.decision, listed=base.search.limit))
        started = time.perf_counter()
        task = Task.prepare(tables.source, tables.reference, tables.labels, schema, settings)
        alone = search_alone(task, tables, seed)
        rows.append([columns, "search alone", seed, alone["f1"], *[None] * 7])
        results.append({"columns": columns, "labels": "search alone", "seed": seed, **alone})
        if options.curve:
            results.append({"columns": columns, "seed": seed, "curve": curve(task, tables, settings)})
        plain = replace(task, deep=None)
        plans = [(one, labels) for one in ((plain, task) if options.ditto else (plain,)) for labels in ("all", "none")]
        for one, labels in plans:
            begun = time.perf_counter()
            chosen = one if labels == "all" else replace(one, examples=None)
            model = chosen.train(settings)
            everything = np.arange(task.examples.truth.size if task.examples is not None else 0)
            decided = with_labels(one, settings) if labels == "all" else decide(model, task, everything)
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
                "preparing_seconds": begun - started,
                "evaluation": evaluation,
            }
            results.append(row)
            named = f"{labels} + Ditto" if one.deep is not None else labels
            rows.append([columns, named, seed, row["f1"], *_figures(evaluation), copies, seconds])
    return rows, results


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
    parser.add_argument("--ditto", action="store_true", help="measure with Ditto too (an hour)")
    parser.add_argument("--curve", action="store_true", help="F1 against the share of candidates sent to Ditto")
    arguments = parser.parse_args(argv)
    tables = Tables.read(arguments.data)
    rows, results = [], []
    for columns in [arguments.only] if arguments.only else ["all", "names"]:
        some_rows, some_results = run(tables, columns, arguments)
        rows += some_rows
        results += some_results
    print_table(f"{arguments.data.name}: {tables.source.num_rows:,} x {tables.reference.num_rows:,}", COLUMNS, rows)
    for result in (one for one in results if "curve" in one):
        points = [list(point.values()) for point in result["curve"]]
        print_table(f"share sent to Ditto ({result['columns']})", list(result["curve"][0]), points)
    recall = next(result["candidate_recall"] for result in results if "candidate_recall" in result)
    print_table("candidate recall", [f"@{k}" for k in recall], [list(recall.values())])
    write_json(arguments.json, "companies", {"data": arguments.data.name, "seeds": arguments.seeds}, results)


if __name__ == "__main__":
    main()
