"""A lakehouse per test file, and a desk at which files are written and ingested."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from entity_matching.jobs.ingest.record_schema import keep_schema
from entity_matching.jobs.ingest_source_entities import IngestParameters, load
from entity_matching.jobs.job import Context
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.tables import PIPELINE_METRICS, QUARANTINE, REFERENCE_ENTITIES, SOURCE_ENTITIES
from entity_matching.schema import Schema

SCHEMA = """
key: {source: id, reference: company_id}
attributes:
  name: {kind: name}
  country: {kind: category, type: country}
  isin: {kind: identifier, type: isin}
  employees: {kind: number}
  founded: {kind: date}
"""
_NUMBERS = itertools.count(1)


@dataclass
class Desk:
    """A lakehouse, and a folder to write files in. Each ingest is a run of its own, a minute after the last."""

    lake: Lakehouse
    folder: Path
    last: str = field(default="")

    def context(self) -> Context:
        number = next(_NUMBERS)
        self.last = f"run-{number:04}"
        return Context(self.lake, self.last, lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number))

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def ingest(self, **given: Any) -> dict[str, Any]:
        return load(self.context(), IngestParameters.model_validate(given))

    def reference(self) -> dict[str, dict[str, str]]:
        return {row["entity_id"]: row["attributes"] for row in self.lake.read(REFERENCE_ENTITIES).collect()}

    def source(self, system: str) -> dict[str, dict[str, str]]:
        rows = self.lake.read(SOURCE_ENTITIES).collect()
        return {row["source_id"]: row["attributes"] for row in rows if row["source_system"] == system}

    def quarantined(self, origin: str) -> list[dict[str, Any]]:
        rows = [row.asDict() for row in self.lake.read(QUARANTINE).collect() if row["origin"] == origin]
        return sorted(rows, key=lambda row: row["line"] or 0)

    def metrics(self, stage: str) -> dict[tuple[str, str], float]:
        rows = self.lake.read(PIPELINE_METRICS).collect()
        found = [row for row in rows if row["run_id"] == self.last and row["stage"] == stage]
        return {(row["metric"], row["label"]): row["value"] for row in found}

    def commits(self, table: Table) -> int:
        """Return how often a table was written to."""
        return len(list((Path(self.lake.location(table)) / "_delta_log").glob("*.json")))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A new lakehouse, without a schema."""
    with open_lakehouse(LakehouseSettings(home=tmp_path_factory.mktemp("home"))) as lake:
        lake.create()
        yield Desk(lake, tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def desk(bare: Desk) -> Desk:
    """The lakehouse with the schema above."""
    keep_schema(bare.lake, Schema.from_yaml(SCHEMA))
    return bare
