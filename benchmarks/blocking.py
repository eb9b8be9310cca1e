"""How many of the known matches candidate search finds, and how fast, on the ER-Magellan tables.

    python benchmarks/blocking.py --data DIR [--json FILE] [--dense]

DIR has one folder per set with ``left.parquet``, ``right.parquet`` and ``matches.parquet``. Each left record
is searched in the right table. Recall@k: the share of the known matches among the first k candidates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from _common import print_table, write_json
from entity_matching.config import SearchSettings
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side
from entity_matching.search import CandidateIndex, Hits, Searcher
from entity_matching.search.dense import DenseSearcher, minilm
from entity_matching.search.lexical import LexicalSearcher
from entity_matching.search.words import WordSearcher

DEPTHS = (1, 5, 10, 50)
SCHEMAS: dict[str, dict[str, str]] = {
    "abt-buy": {"name": "text", "description": "text", "price": "number"},
    "amazon-google": {"title": "text", "manufacturer": "category", "price": "number"},
    "dblp-acm": {"title": "text", "authors": "text", "venue": "category", "year": "number"},
    "walmart-amazon": {
        "title": "text",
        "modelno": "text",
        "category": "category",
        "brand": "category",
        "price": "number",
    },
}

Rows = np.ndarray[Any, np.dtype[np.int64]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with the sets")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--dense", action="store_true", help="also search by embeddings (needs the extra 'train')")
    parser.add_argument("--device", default="cpu", help="where the embeddings are made, as torch names it")
    options = parser.parse_args(argv)
    settings = SearchSettings(limit=max(DEPTHS), depth=max(DEPTHS))
    encode = minilm(options.device) if options.dense else None
    results = []
    for name, kinds in SCHEMAS.items():
        left, right, matches = (pq.read_table(options.data / name / f"{part}.parquet") for part in _PARTS)
        schema = Schema.model_validate({"key": "id", "attributes": kinds})
        source, reference = normalize_table(left, schema, Side.SOURCE), normalize_table(right, schema, Side.REFERENCE)
        truth = np.stack([_rows(left, matches["left_id"]), _rows(right, matches["right_id"])], axis=1)
        searchers: list[Searcher] = [
            kind.build(reference, schema, settings) for kind in (LexicalSearcher, WordSearcher)
        ]
        ways = {searcher.name: _alone(searcher, source) for searcher in searchers}
        ways["union"] = _united(CandidateIndex.build(reference, schema, settings), source)
        if encode is not None:
            dense = DenseSearcher.build(reference, schema, settings, encode)
            ways["dense"] = _alone(dense, source)
            ways["union + dense"] = _united(CandidateIndex.build(reference, schema, settings, [dense]), source)
        results += [
            {
                "set": name,
                "left": left.num_rows,
                "right": right.num_rows,
                "searcher": way,
                **_measure(search, truth, left),
            }
            for way, search in ways.items()
        ]
    columns = ["set", "left", "right", "searcher", *[f"recall@{depth}" for depth in DEPTHS], "queries/s"]
    print_table("Candidate search", columns, [[result[column] for column in columns] for result in results])
    write_json(options.json, "blocking", {"limit": settings.limit, "threads": settings.threads}, results)
    return 0


_PARTS = ("left", "right", "matches")


def _rows(table: pa.Table, keys: pa.ChunkedArray) -> Rows:
    number = {key: row for row, key in enumerate(table["id"].to_pylist())}
    return np.array([number[key] for key in keys.to_pylist()], np.int64)


def _alone(searcher: Searcher, source: pa.Table) -> Callable[[], Hits]:
    return lambda: searcher.search(searcher.encode(source), max(DEPTHS))


def _united(index: CandidateIndex, source: pa.Table) -> Callable[[], Hits]:
    def search() -> Hits:
        found = index.search(source)
        return Hits(found.source, found.reference, found.fused)

    return search


def _measure(search: Callable[[], Hits], truth: Rows, left: pa.Table) -> dict[str, float]:
    started = time.perf_counter()
    hits = search()
    seconds = time.perf_counter() - started
    place = np.arange(len(hits.source)) - np.searchsorted(hits.source, hits.source)
    pairs = zip(hits.source.tolist(), hits.reference.tolist(), strict=True)
    rank = dict(zip(pairs, place.tolist(), strict=True))
    found = np.array([rank.get((row, match), max(DEPTHS)) for row, match in truth.tolist()])
    recall = {f"recall@{depth}": float(np.mean(found < depth)) for depth in DEPTHS}
    return {**recall, "queries/s": left.num_rows / seconds}


if __name__ == "__main__":
    raise SystemExit(main())
