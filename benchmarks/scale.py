"""How long a large match takes, stage by stage, and how much memory.

The reference is made by recombining the words of real company names, the sources by writing some of its
records as another system might (15% of them of companies that are not in it). No label is used.

    python benchmarks/scale.py --data DIR [--sources N] [--references N] [--json FILE]

DIR holds companies/reference.csv or reference.csv.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from _common import print_table, write_json
from entity_matching.config import MatcherSettings
from entity_matching.features import FeatureSpace, TextLimits
from entity_matching.files import read_table
from entity_matching.matcher.compare import compare
from entity_matching.matcher.examples import synthetic_examples
from entity_matching.matcher.model import Model
from entity_matching.matcher.reference import Reference
from entity_matching.matcher.train import Task
from entity_matching.noise import noisy_records, profile_source
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side
from entity_matching.search import CandidateIndex

SCHEMA = Schema.from_yaml(
    """
    key: {source: source_id, reference: company_id}
    attributes:
      company_name: name
      country: {kind: category, type: country}
    """
)
ABSENT = 0.15


def recombined(real: pa.Table, rows: int, rng: np.random.Generator) -> pa.Table:
    """Make companies: the beginning of one real name, the end of another, a country; no two names alike."""
    names = [name.split() for name in real["company_name"].to_pylist()]
    countries = real["country"].to_pylist()
    made: dict[str, str] = {}
    while len(made) < rows:
        for left, right in rng.integers(len(names), size=(rows - len(made) + 1000, 2)):
            head = names[left][: max(1, len(names[left]) // 2 + int(rng.integers(2)))]
            tail = names[right][len(names[right]) // 2 :]
            made.setdefault(" ".join(head + tail), countries[right])
            if len(made) == rows:
                break
    keys = [f"R{number:07}" for number in range(rows)]
    return pa.table({"company_id": keys, "company_name": list(made), "country": list(made.values())})


def listings(companies: pa.Table, rows: int, rng: np.random.Generator) -> tuple[pa.Table, np.ndarray[Any, Any]]:
    """Write some companies as sources; returns them and the rows they denote."""
    chosen = rng.choice(companies.num_rows, size=rows, replace=False)
    sources = noisy_records(companies, chosen, SCHEMA, profile_source(None, SCHEMA), rng)
    return sources.add_column(0, "source_id", pa.array([f"S{number:06}" for number in range(rows)])), chosen


class Clock:
    """Stage times in seconds, and the peak memory after each, in GB."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.start = time.perf_counter()

    def stage(self, name: str, work: str, amount: int) -> None:
        """Note the end of a stage."""
        seconds = time.perf_counter() - self.start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
        self.rows.append([name, seconds, work, amount / max(seconds, 1e-9), peak])
        self.start = time.perf_counter()


def run(real: pa.Table, sources: int, references: int, seed: int) -> tuple[list[list[Any]], dict[str, Any]]:
    """Make the data, match it, and measure."""
    rng = np.random.default_rng(seed)
    everything = recombined(real, int(references * (1 + ABSENT)), rng)
    raw_sources, truth = listings(everything, sources, rng)
    raw_reference = everything.slice(0, references)
    truth = np.where(truth < references, truth, -1)
    settings = MatcherSettings(seed=seed)
    clock = Clock()
    table = normalize_table(raw_reference, SCHEMA, Side.REFERENCE).combine_chunks()
    clock.stage("normalise reference", "records/s", references)
    index = CandidateIndex.build(table, SCHEMA, settings.search)
    clock.stage("index", "records/s", references)
    reference = Reference(table, index)
    source_table = normalize_table(raw_sources, SCHEMA, Side.SOURCE).combine_chunks()
    clock.stage("normalise sources", "records/s", sources)
    space = FeatureSpace.fit(table, SCHEMA, TextLimits(threads=settings.scorer.threads))
    profiles = profile_source(source_table, SCHEMA)
    examples = synthetic_examples(raw_reference, reference, space, profiles, settings.scorer, rng)
    model = Task(reference, space, examples, None, None, None).train(settings)
    clock.stage("train (no labels)", "records/s", settings.scorer.synthetic_records)
    result = model.decide(source_table, reference)
    clock.stage("match: search, features, score, decide", "records/s", sources)
    total = sum(row[1] for row in clock.rows)
    parts = batch(model, source_table, reference)
    keys = np.array(result["entity_id"].to_pylist(), dtype=object)
    accepted = np.asarray(pc.equal(result["decision"], "match").to_numpy(zero_copy_only=False))
    wanted = np.array([f"R{row:07}" if row >= 0 else None for row in truth], dtype=object)
    right = int((accepted & (keys == wanted)).sum())
    summary = {
        "sources": sources,
        "references": references,
        "seconds": total,
        "peak_gb": clock.rows[-1][4],
        "precision": right / max(1, int(accepted.sum())),
        "recall": right / int((truth >= 0).sum()),
        **parts,
    }
    return clock.rows, summary


def batch(model: Model, sources: pa.Table, reference: Reference) -> dict[str, float]:
    """Time the parts of a match on one batch: records searched, pairs compared and pairs scored per second."""
    some = sources.slice(0, 10_000).combine_chunks()
    started = time.perf_counter()
    candidates = reference.index.search(some)
    searched = time.perf_counter()
    block = compare(some, reference, candidates, model.space)
    compared = time.perf_counter()
    model.scorer.predict(block)
    scored = time.perf_counter()
    return {
        "searched_per_second": some.num_rows / (searched - started),
        "compared_pairs_per_second": len(candidates) / (compared - searched),
        "scored_pairs_per_second": len(candidates) / (scored - compared),
        "features_and_score_pairs_per_second": len(candidates) / (scored - searched),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with companies/reference.csv")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    parser.add_argument("--sources", type=int, default=100_000, help="source records (default 100,000)")
    parser.add_argument("--references", type=int, default=1_000_000, help="reference records (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    folder = arguments.data / "companies" if (arguments.data / "companies").is_dir() else arguments.data
    rows, summary = run(read_table(folder / "reference.csv"), arguments.sources, arguments.references, arguments.seed)
    title = f"{arguments.sources:,} sources against {arguments.references:,} references"
    print_table(title, ("stage", "seconds", "", "rate", "peak GB"), rows)
    print_table("summary", ("figure", "value"), [[name, float(value)] for name, value in summary.items()])
    write_json(arguments.json, "scale", {"seed": arguments.seed}, {"stages": rows, "summary": summary})


if __name__ == "__main__":
    main()
