"""Figures of a run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from entity_matching.jobs.job import Context
from entity_matching.jobs.metrics import record_metrics
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import PIPELINE_METRICS

pytestmark = pytest.mark.spark


def test_figures_written_again_take_the_place_of_the_first(tmp_path: Path) -> None:
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        lake.create()
        context = Context(lake, "r1", lambda: datetime(2026, 1, 2, tzinfo=UTC))
        record_metrics(context, ingest=[("rows", "new", 3), ("rows", "new", 4), ("null_share", "city", None)])
        record_metrics(context, ingest=[("rows", "new", 5), ("psi", "", None)])
        record_metrics(context, ingest=[])
        record_metrics(Context(lake, "r2", context.clock), ingest=[("rows", "new", 6)])
        found = lake.read(PIPELINE_METRICS).orderBy("run_id", "metric").toArrow().to_pylist()
    assert [(row["run_id"], row["metric"], row["label"], row["value"]) for row in found] == [
        ("r1", "null_share", "city", None),
        ("r1", "psi", "", None),
        ("r1", "rows", "new", 5.0),
        ("r2", "rows", "new", 6.0),
    ]
