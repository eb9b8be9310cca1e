"""Lakehouses with their tables, and rows to put into them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa
import pytest

from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse

CANDIDATES = pa.list_(pa.struct([("entity_id", pa.string()), ("confidence", pa.float64())]))
DECISIONS = pa.schema(
    [
        ("source_system", pa.string()),
        ("source_id", pa.string()),
        ("decision", pa.string()),
        ("entity_id", pa.string()),
        ("confidence", pa.float64()),
        ("method", pa.string()),
        ("reason", pa.string()),
        ("candidates", CANDIDATES),
        ("version", pa.int32()),
        ("content_hash", pa.string()),
        ("reference_version", pa.string()),
        ("model_version", pa.string()),
        ("run_id", pa.string()),
        ("matched_at", pa.timestamp("us", "UTC")),
    ]
)


ROW = {
    "source_system": "crm",
    "decision": "match",
    "entity_id": "e1",
    "confidence": 0.9,
    "method": "scored",
    "reason": "the name agrees",
    "candidates": [{"entity_id": "e1", "confidence": 0.9}, {"entity_id": "e2", "confidence": 0.1}],
    "version": 1,
    "content_hash": "h1",
    "reference_version": "r1",
    "model_version": None,
    "run_id": "run-1",
    "matched_at": datetime(2026, 3, 1, 2, tzinfo=UTC),
}


class Decisions(Protocol):
    """Makes rows of gold.matched_entities, one per key given, all with these values."""

    def __call__(self, *source_ids: str, **values: Any) -> pa.Table: ...


@pytest.fixture(scope="session")
def decisions() -> Decisions:
    def made(*source_ids: str, **values: Any) -> pa.Table:
        return pa.Table.from_pylist([{**ROW, "source_id": key, **values} for key in source_ids], DECISIONS)

    return made


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """Return a lakehouse with its tables, one for the tests of a module."""
    with open_lakehouse(LakehouseSettings(home=tmp_path_factory.mktemp("home"))) as opened:
        opened.create()
        yield opened
