"""What the tables cost: the jobs of the pipeline beside the same match in memory, a full run and an incremental one.

    python benchmarks/pipeline.py --data DIR [--sets companies scale] [--sources N] [--references N] [--json FILE]

DIR holds companies/reference.csv and companies/source.csv. The set "scale" is made of them as in scale.py. No label is
used, and no Ditto. Each measurement is a process of its own, so that its peak memory is its own:

* "in memory": read both files, normalise and index the reference, match by the model, write the answer as Parquet.
* "in memory, trained": the same by the function ``match``, which learns its model first.
* "full run": the pipeline's jobs over tables on this machine, the first time: ingest the source file, exact stage
  (which reads the reference from its table and indexes it), scoring, writing gold, metrics. Loading the reference into
  its table is given by itself.
* "nothing new": the same source file again.
* "1% new": the source file with one new record for every hundred.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

import scale
from _common import print_table, write_json
from entity_matching import Matcher, match
from entity_matching.files import read_table
from entity_matching.jobs import models, pipeline, setup_unity_catalog
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, PIPELINE_RUNS

SYSTEM = "feed"
LABELLED = 3_000
"""Sources that the model sees of, without their labels, before it learns from noisy copies of the reference."""


def prepare(folder: Path, name: str, options: argparse.Namespace) -> dict[str, int]:
    """Write the two source files, the reference and the model of one set."""
    real = read_table(options.data / "companies" / "reference.csv")
    if name == "companies":
        sources, reference = read_table(options.data / "companies" / "source.csv"), real
    else:
        rng = np.random.default_rng(options.seed)
        everything = scale.recombined(real, int(options.references * (1 + scale.ABSENT)), rng)
        sources, _ = scale.listings(everything, options.sources, rng)
        reference = everything.slice(0, options.references)
    columns = [column for column in ("source_id", "company_name", "country") if column in sources.column_names]
    sources, reference = sources.select(columns), reference.select(["company_id", *columns[1:]])
    new = max(1, sources.num_rows // 100)
    pq.write_table(sources.slice(new), folder / "feed.parquet")
    pq.write_table(sources, folder / "feed-grown.parquet")
    pq.write_table(reference, folder / "reference.parquet")
    (folder / "schema.yml").write_text(scale.SCHEMA.to_yaml(), encoding="utf-8")
    matcher = Matcher.train(sources.slice(0, LABELLED), reference.slice(0, 100_000), schema=scale.SCHEMA)
    models.publish(_settings(folder), matcher, "benchmark")
    return {"sources": sources.num_rows - new, "new": new, "references": reference.num_rows}


def _settings(folder: Path) -> LakehouseSettings:
    return LakehouseSettings(catalog="benchmark", home=folder / "home")


def in_memory(folder: Path) -> dict[str, Any]:
    """Match in memory, from files to a file."""
    started = time.perf_counter()
    matcher = Matcher.load(models.model_folder(_settings(folder)))
    source, reference = (read_table(folder / name) for name in ("feed.parquet", "reference.parquet"))
    read = time.perf_counter()
    prepared = matcher.prepare(reference)
    indexed = time.perf_counter()
    result = matcher.match_prepared(source, prepared)
    pq.write_table(result, folder / "in-memory.parquet")
    ended = time.perf_counter()
    stages = {"read": read - started, "reference": indexed - read, "match and write": ended - indexed}
    return {"seconds": ended - started, "stages": stages}


def in_memory_trained(folder: Path) -> dict[str, Any]:
    """Do all that ``entity_matching.match`` does, from files to a file: it learns without labels, and matches."""
    started = time.perf_counter()
    source, reference = (read_table(folder / name) for name in ("feed.parquet", "reference.parquet"))
    pq.write_table(match(source, reference, schema=scale.SCHEMA), folder / "trained.parquet")
    return {"seconds": time.perf_counter() - started}


def set_up(folder: Path) -> dict[str, Any]:
    """Make the catalog and load the reference."""
    started = time.perf_counter()
    setup_unity_catalog.JOB.run(
        [*_where(folder), "--schema", str(folder / "schema.yml"), "--reference", str(folder / "reference.parquet")]
    )
    return {"seconds": time.perf_counter() - started}


def run_pipeline(folder: Path, feed: str) -> dict[str, Any]:
    """Run the jobs over one feed."""
    started = time.perf_counter()
    figures = pipeline.JOB.run([*_where(folder), "--source", str(folder / feed), "--source-system", SYSTEM])
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "stages": _stages(folder, figures["run_id"]), "figures": figures}


def _stages(folder: Path, run_id: str) -> dict[str, float]:
    """Return how long each stage of a run took, in seconds, as it wrote down itself."""
    with open_lakehouse(_settings(folder)) as lake:
        runs = lake.read(PIPELINE_RUNS).where(f"run_id = {literal(run_id)}").orderBy("started_at").collect()
    return {run["job"]: (run["finished_at"] - run["started_at"]).total_seconds() for run in runs}


def _where(folder: Path) -> list[str]:
    return ["--catalog", "benchmark", "--home", str(folder / "home")]


def same_answers(folder: Path) -> float:
    """Return the share of records decided alike in memory and through the tables."""
    alone = pq.read_table(folder / "in-memory.parquet").select(["source_key", "decision", "entity_id", "confidence"])
    with open_lakehouse(_settings(folder)) as lake:
        columns = "source_id AS source_key, decision AS d, entity_id AS e, confidence AS c"
        gold = lake.spark.sql(f"SELECT {columns} FROM {lake.name(MATCHED_ENTITIES)}").toArrow()
    both = alone.join(gold, "source_key")
    alike = pc.and_(
        pc.and_(pc.equal(both["decision"], both["d"]), pc.equal(both["confidence"], both["c"])),
        pc.equal(pc.fill_null(both["entity_id"], ""), pc.fill_null(both["e"], "")),
    )
    share: float = sum(alike.to_pylist()) / alone.num_rows
    return share


STEPS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "in memory": in_memory,
    "in memory, trained": in_memory_trained,
    "load reference": set_up,
    "full run": lambda folder: run_pipeline(folder, "feed.parquet"),
    "same answers": lambda folder: {"seconds": 0.0, "share": same_answers(folder)},
    "nothing new": lambda folder: run_pipeline(folder, "feed.parquet"),
    "1% new": lambda folder: run_pipeline(folder, "feed-grown.parquet"),
}


def step(name: str, folder: Path) -> dict[str, Any]:
    """Measure one step in a process of its own."""
    command = [sys.executable, __file__, "--step", name, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    if done.returncode:
        raise SystemExit(f"step '{name}' failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one set."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        result: dict[str, Any] = {"set": name, "sizes": prepare(folder, name, options)}
        for one in STEPS:
            result[one] = step(one, folder)
            print(f"{name}, {one}: {result[one]['seconds']:.1f} s", flush=True)
        result["disk_gb"] = sum(file.stat().st_size for file in (folder / "home").rglob("*") if file.is_file()) / 1e9
    full = result["full run"]["seconds"]
    result["overhead"] = full / result["in memory"]["seconds"]
    result["overhead_trained"] = full / result["in memory, trained"]["seconds"]
    result["incremental_share"] = result["1% new"]["seconds"] / full
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with companies/")
    parser.add_argument("--sets", nargs="+", choices=("companies", "scale"), default=["companies", "scale"])
    parser.add_argument("--sources", type=int, default=100_000, help="source records of 'scale' (default 100,000)")
    parser.add_argument("--references", type=int, default=1_000_000, help="its reference records (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file to write the results to")
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.step:
        result = STEPS[options.step](options.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
        print(json.dumps({**result, "peak_gb": peak}, default=str))
        return
    if options.data is None:
        parser.error("--data is needed")
    results = [measure(name, options) for name in options.sets]
    for result in results:
        sizes = result["sizes"]
        title = f"{result['set']}: {sizes['sources']:,} sources against {sizes['references']:,} references"
        rows = [[name, result[name]["seconds"], result[name]["peak_gb"]] for name in STEPS if name != "same answers"]
        print_table(title, ("step", "seconds", "peak GB"), rows)
        nights = ["full run", "nothing new", "1% new"]
        stages = [[job, *(result[night]["stages"][job] for night in nights)] for job in result["full run"]["stages"]]
        print_table("seconds per stage", ("stage", *nights), stages)
        shares = [["full run / in memory", result["overhead"]]]
        shares += [["full run / in memory, trained", result["overhead_trained"]]]
        shares += [["1% new / full run", result["incremental_share"]]]
        shares += [["decided alike", result["same answers"]["share"]], ["GB on disk", result["disk_gb"]]]
        print_table("shares", ("figure", "value"), shares)
    write_json(options.json, "pipeline", {"seed": options.seed}, results)


if __name__ == "__main__":
    main()
