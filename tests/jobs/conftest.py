"""A part of the example data as bronze tables, models of it, and lakehouses to put both into."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.filling import fill

from entity_matching.config import CascadeSettings, DittoSettings, MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.files import read_labels, read_table, write_table
from entity_matching.jobs import pipeline
from entity_matching.jobs.job import Context
from entity_matching.jobs.models import publish
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import (
    MATCH_HISTORY,
    MATCHED_ENTITIES,
    QUARANTINE,
    REFERENCE_ENTITIES,
    REVIEW_DECISIONS,
    SOURCE_ENTITIES,
)
from entity_matching.matcher import Matcher
from entity_matching.schema import Schema

EXAMPLE = Path(__file__).parents[2] / "examples" / "companies"
SYSTEM = "crm"
SMALL = MatcherSettings(
    search=SearchSettings(limit=8, threads=1),
    scorer=ScorerSettings(trees=30, learning_rate=0.2, folds=2, synthetic_records=100, threads=1),
    cascade=CascadeSettings(low=0.02, high=0.98, folds=2, pretraining_epochs=1),
)
"""Settings under which a model is trained in a second or two, with Ditto or without."""
BRONZE = pa.map_(pa.string(), pa.string())
STAMP = pa.timestamp("us", "UTC")
NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Companies:
    """A part of the example data; some of the source have an ISIN."""

    source: pa.Table
    reference: pa.Table
    labels: pa.Table
    schema: Schema


@pytest.fixture(scope="session")
def companies() -> Companies:
    schema = Schema.load(EXAMPLE / "schema.yml")
    source = read_table(EXAMPLE / "source.csv").slice(0, 80)
    keys = set(source["source_id"].to_pylist())
    labels = pa.concat_tables([read_labels(EXAMPLE / name, schema.key) for name in ("labels.csv", "heldout.csv")])
    labels = labels.filter(pa.array([key in keys for key in labels["source_key"].to_pylist()]))
    truth = dict(zip(labels["source_key"].to_pylist(), labels["reference_key"].to_pylist(), strict=True))
    reference = read_table(EXAMPLE / "reference.csv")
    wanted = set(truth.values())
    kept = [key in wanted or row % 6 == 0 for row, key in enumerate(reference["company_id"].to_pylist())]
    reference = reference.filter(pa.array(kept))
    known = dict(zip(reference["company_id"].to_pylist(), reference["isin"].to_pylist(), strict=True))
    isin = [
        known.get(truth[key], "") if row % 4 == 0 else "" for row, key in enumerate(source["source_id"].to_pylist())
    ]
    return Companies(source.append_column("isin", pa.array(isin, pa.string())), reference, labels, schema)


@pytest.fixture(scope="session")
def plain_matcher(companies: Companies) -> Matcher:
    """Return a matcher without Ditto."""
    return Matcher.train(
        companies.source, companies.reference, companies.labels, schema=companies.schema, settings=SMALL
    )


@pytest.fixture(scope="session")
def deep_matcher(companies: Companies, small_encoder: Path) -> Matcher:
    """Return a matcher with a tiny Ditto."""
    ditto = DittoSettings(
        encoder=str(small_encoder), epochs=1, max_tokens=48, learning_rate=1e-3, head_rate=5e-3, precision="fp32",
        device="cpu", threads=1,
    )  # fmt: skip
    return Matcher.train(
        companies.source,
        companies.reference,
        companies.labels,
        schema=companies.schema,
        settings=replace(SMALL, ditto=ditto),
    )


def rows_of(table: pa.Table, schema: Schema) -> dict[str, pa.Array]:
    """Return the columns that source and reference have alike in bronze: attributes and hashes."""
    records = table.to_pylist()
    attributes = [[(name, value) for name, value in record.items() if value is not None] for record in records]
    read = {name for item in schema.attributes for name in (item.source_column, item.reference_column, item.name)}
    content = [[pair for pair in pairs if pair[0] in read] for pairs in attributes]

    def digest(pairs: list[tuple[str, str]]) -> str:
        return hashlib.sha256(json.dumps(sorted(pairs)).encode()).hexdigest()

    return {
        "attributes": pa.array(attributes, BRONZE),
        "content_hash": pa.array([digest(pairs) for pairs in content]),
        "row_hash": pa.array([digest(pairs) for pairs in attributes]),
        "run_id": pa.array(["load"] * len(records)),
    }


@dataclass(frozen=True)
class Bronze:
    """Writes bronze tables as ingest would, and puts models in force."""

    companies: Companies

    def source(self, lake: Lakehouse, table: pa.Table, system: str = SYSTEM) -> None:
        """Merge records into ``bronze.source_entities``; the key is the column ``source_id``."""
        columns = {
            "source_system": pa.array([system] * table.num_rows, pa.string()),
            "source_id": table["source_id"],
            "ingested_at": pa.array([NOW] * table.num_rows, STAMP),
            **rows_of(table, self.companies.schema),
        }
        fill(lake, SOURCE_ENTITIES, pa.table(columns))

    def reference(self, lake: Lakehouse, table: pa.Table) -> None:
        """Put records in place of ``bronze.reference_entities``; the key is the column ``company_id``."""
        columns = {
            "entity_id": table["company_id"],
            "loaded_at": pa.array([NOW] * table.num_rows, STAMP),
            **rows_of(table, self.companies.schema),
        }
        fill(lake, REFERENCE_ENTITIES, pa.table(columns), complete=True)

    def example(self, lake: Lakehouse, **matchers: Matcher) -> None:
        """Load the example data, and keep matchers as versions; the last one is in force."""
        lake.settings.artifacts.mkdir(parents=True, exist_ok=True)
        (lake.settings.artifacts / "schema.yml").write_text(self.companies.schema.to_yaml(), encoding="utf-8")
        self.reference(lake, self.companies.reference)
        self.source(lake, self.companies.source)
        for version, matcher in matchers.items():
            publish(lake.settings, matcher, version)


@pytest.fixture(scope="session")
def bronze(companies: Companies) -> Bronze:
    return Bronze(companies)


OpenLake = Callable[[], Lakehouse]


@pytest.fixture(scope="module")
def open_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLake]:
    """Give empty lakehouses, each with its tables."""
    with ExitStack() as stack:

        def opened() -> Lakehouse:
            settings = LakehouseSettings(home=tmp_path_factory.mktemp("home"))
            lake = stack.enter_context(open_lakehouse(settings))
            lake.create()
            return lake

        yield opened


@pytest.fixture(scope="module")
def lake(open_lake: OpenLake, bronze: Bronze, plain_matcher: Matcher, deep_matcher: Matcher) -> Lakehouse:
    """Return a lakehouse with the example data in bronze and the models ``plain`` and, in force, ``deep``."""
    opened = open_lake()
    bronze.example(opened, plain=plain_matcher, deep=deep_matcher)
    return opened


RunContext = Callable[[Lakehouse, str], Context]


@pytest.fixture(scope="session")
def run_context() -> RunContext:
    """Return the context of a run by its id, at a fixed time."""
    return lambda lake, run_id: Context(lake, run_id, lambda: NOW)


VOLATILE = ("run_id", "matched_at", "changed_at", "ingested_at", "loaded_at", "quarantined_at")
"""Columns in which two runs on the same data differ."""
RESULTS = (MATCHED_ENTITIES, MATCH_HISTORY, QUARANTINE, SOURCE_ENTITIES, REFERENCE_ENTITIES)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Nights:
    """Two days of the example data as files, and a home in which the first day has been matched.

    The second day is a snapshot with new, changed and removed records, of the reference too; two rows have one key, and
    one has none. In between people decided on two records.
    """

    files: Path
    home: Path

    def source(self, day: int) -> Path:
        """Return the file of the source."""
        return self.files / f"crm_2026-03-0{day}.csv"

    def reference(self, day: int) -> Path:
        """Return the file of the reference."""
        return self.files / f"reference_2026-03-0{day}.csv"

    def day(self, home: Path, day: int = 2) -> list[str]:
        """Return what ``run-pipeline`` is called with for a day."""
        given = {"--home": home, "--source": self.source(day), "--reference": self.reference(day), "--feed": "snapshot"}
        return [str(text) for pair in given.items() for text in pair]

    def copy(self, home: Path) -> Path:
        """Copy the home, and return where to."""
        return Path(shutil.copytree(self.home, home))

    @cached_property
    def first_results(self) -> dict[str, Rows]:
        """What the first day left behind."""
        return self.results(self.home)

    def results(self, home: Path) -> dict[str, Rows]:
        """Return what runs leave behind, by table, in the order of the keys; without what two runs differ in."""
        with open_lakehouse(LakehouseSettings(home=home)) as lake:
            found = {}
            for table in RESULTS:
                rows = lake.read(table).orderBy(*table.key).drop(*VOLATILE).toArrow().to_pylist()
                found[table.full_name] = [row | {"attributes": sorted(row.get("attributes", ()))} for row in rows]
            return found


@pytest.fixture(scope="session")
def nights(companies: Companies, plain_matcher: Matcher, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """Return two days, shared by all tests: a test works on a copy of the home."""
    made = Nights(tmp_path_factory.mktemp("days"), tmp_path_factory.mktemp("first-day") / "home")
    source, reference = companies.source.to_pylist(), companies.reference.to_pylist()
    _to_csv(source[:50], made.source(1))
    _to_csv([*reference[:5], *reference[10:]], made.reference(1))
    changed = [{**row, "company_name": f"{row['company_name']} HLDG"} for row in source[4:8]]
    double = [{**source[60], "company_name": name} for name in ("ONE NAME PLC", "ANOTHER NAME PLC")]
    _to_csv([*changed, *source[8:60], *double, {**source[61], "source_id": ""}], made.source(2))
    moved = [{**row, "city": "Reykjavik", "company_name": f"New {row['company_name']}"} for row in reference[20:25]]
    _to_csv([*reference[:20], *moved, *reference[25:-5]], made.reference(2))
    settings = LakehouseSettings(home=made.home)
    with open_lakehouse(settings) as lake:
        lake.create()
        settings.artifacts.mkdir(parents=True, exist_ok=True)
        (settings.artifacts / "schema.yml").write_text(companies.schema.to_yaml(), encoding="utf-8")
        publish(settings, plain_matcher, "plain")
    pipeline.JOB.run([*made.day(made.home, 1), "--run-id", "day-1"])
    with open_lakehouse(settings) as lake:
        decisions = {
            "source_system": ["crm", "crm"],
            "source_id": [source[10]["source_id"], source[11]["source_id"]],
            "decision": ["match", "no_match"],
            "entity_id": [reference[30]["company_id"], None],
            "decided_by": ["ann", "ann"],
            "note": pa.array([None, None], pa.string()),
            "decided_at": pa.array([NOW, NOW], STAMP),
        }
        fill(lake, REVIEW_DECISIONS, pa.table(decisions))
    return made


def _to_csv(rows: Rows, path: Path) -> None:
    write_table(pa.Table.from_pylist(rows), path)
