"""``entity-matching status``."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.filling import fill

from entity_matching.jobs import models
from entity_matching.jobs.job import Context
from entity_matching.jobs.metrics import record_metrics
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.lock import exclusive_run
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, PIPELINE_RUNS, QUARANTINE, SOURCE_ENTITIES

pytestmark = pytest.mark.spark

Command = Callable[..., Any]
DAY = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STAMP = pa.timestamp("us", "UTC")
CANDIDATES = pa.list_(pa.struct([("entity_id", pa.string()), ("confidence", pa.float64())]))


class Saved:
    """Stands for a matcher."""

    def save(self, folder: Path) -> None:
        """Write a manifest."""
        (folder / models.MANIFEST).write_text("{}")


def _run(lake: Lakehouse, run_id: str, hours: int, **jobs: str) -> None:
    started = [DAY + timedelta(hours=hours, minutes=place) for place in range(len(jobs))]
    ended = [None if status == "running" else time + timedelta(seconds=30)
             for time, status in zip(started, jobs.values(), strict=True)]  # fmt: skip
    messages = ["no space left" if status == "failed" else None for status in jobs.values()]
    fill(lake, PIPELINE_RUNS, pa.table({
        "run_id": [run_id] * len(jobs), "job": [job.replace("_", "-") for job in jobs], "status": list(jobs.values()),
        "message": pa.array(messages, pa.string()), "parameters": ["{}"] * len(jobs),
        "started_at": pa.array(started, STAMP), "finished_at": pa.array(ended, STAMP),
    }))  # fmt: skip


def _hours_later(hours: int) -> datetime:
    return DAY + timedelta(hours=hours)


def _fill(lake: Lakehouse) -> None:
    _run(lake, "r1", 1, ingest_source_entities="done", exact_match="done")
    _run(lake, "r2", 2, ingest_source_entities="done", exact_match="failed")
    _run(lake, "r3", 3, ingest_source_entities="done", exact_match="running")
    key = {"source_system": ["crm"], "source_id": ["S1"], "content_hash": ["h"], "run_id": ["r1"]}
    times = pa.array([DAY], STAMP)
    attributes = pa.array([[("name", "x")]], pa.map_(pa.string(), pa.string()))
    fill(lake, SOURCE_ENTITIES, pa.table(
        key | {"attributes": attributes, "row_hash": ["h"], "ingested_at": times}
    ))  # fmt: skip
    fill(lake, MATCHED_ENTITIES, pa.table(key | {
        "decision": ["review"], "entity_id": ["E1"], "confidence": [0.5], "method": ["scored"], "reason": ["it may be"],
        "candidates": pa.array([[]], CANDIDATES), "version": pa.array([1], pa.int32()), "reference_version": ["v"],
        "model_version": ["m"], "matched_at": times,
    }))  # fmt: skip
    fill(lake, QUARANTINE, pa.table({
        "row_id": ["1", "2"], "side": ["source"] * 2, "source_system": ["crm"] * 2, "raw": ["{}"] * 2,
        "reason": ["no key"] * 2, "origin": ["a.csv"] * 2, "line": pa.array([1, 2], pa.int64()),
        "quarantined_at": pa.array([DAY] * 2, STAMP), "run_id": ["r1", "r3"],
    }))  # fmt: skip
    decided = [("decisions", "match", 496), ("decisions", "review", 7)]
    record_metrics(Context(lake, "r1", partial(_hours_later, 0)), write=decided)
    for number, run_id in enumerate(("r1", "r2")):
        context = Context(lake, run_id, partial(_hours_later, number))
        record_metrics(context, run=[("records", "", 1), ("alert", f"drift of {run_id}", 0.5)])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with open_lakehouse(LakehouseSettings(home=folder)) as lake:
        lake.create()
        _fill(lake)
    return folder


def _status(command: Command, home: Path, *more: str) -> dict[str, Any]:
    done = command("status", "--home", home, "--json", *more)
    assert done.code == 0, done.err
    return dict(json.loads(done.out))


def test_a_run_that_was_killed_is_told_from_one_that_goes_on(command: Command, home: Path) -> None:
    statuses = {run["run_id"]: run["status"] for run in _status(command, home)["runs"]}
    assert list(statuses.items()) == [("r3", "killed"), ("r2", "failed"), ("r1", "done")]
    with exclusive_run(LakehouseSettings(home=home)):
        assert _status(command, home)["runs"][0]["status"] == "running"
    assert _status(command, home)["runs"][0]["jobs"] == {"ingest-source-entities": "done", "exact-match": "killed"}


def test_of_two_that_did_not_end_only_the_later_may_go_on(command: Command, tmp_path: Path) -> None:
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        lake.create()
        _run(lake, "old", 1, exact_match="running")
        _run(lake, "new", 2, exact_match="running")
    with exclusive_run(LakehouseSettings(home=tmp_path)):
        assert [run["status"] for run in _status(command, tmp_path)["runs"]] == ["running", "killed"]


def test_runs_say_how_long_and_why(command: Command, home: Path) -> None:
    runs = {run["run_id"]: run for run in _status(command, home)["runs"]}
    assert runs["r1"]["seconds"] == 90 and runs["r2"]["message"] == "no space left"
    assert runs["r1"]["started_at"].startswith("2026-01-02T04:04:05")
    assert [run["run_id"] for run in _status(command, home, "--runs", "1")["runs"]] == ["r3"]


def test_runs_say_what_they_decided_and_how_long_each_stage_took(command: Command, home: Path) -> None:
    runs = {run["run_id"]: run for run in _status(command, home)["runs"]}
    assert runs["r1"]["decisions"] == {"match": 496, "review": 7} and runs["r2"]["decisions"] == {}
    assert runs["r1"]["job_seconds"] == {"ingest-source-entities": 30, "exact-match": 30}
    assert runs["r3"]["job_seconds"] == {"ingest-source-entities": 30}


def test_of_the_pipeline_the_stage_that_ended_it_is_named(command: Command, tmp_path: Path) -> None:
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        lake.create()
        _run(lake, "r1", 1, run_pipeline="running", ingest_source_entities="done", exact_match="running")
    out = command("status", "--home", tmp_path).out
    table, below = out.split("Stages of r1: ")
    assert "run-pipeline (killed)" in table and "exact-match (killed)" in table and "ingest" not in table
    assert below.startswith("ingest-source-entities 30 s.")


def test_tables_backlog_quarantine_and_the_alerts_of_the_run_measured_last(command: Command, home: Path) -> None:
    found = _status(command, home)
    tables = {row["table"]: row for row in found["tables"]}
    assert tables["gold.pipeline_runs"]["rows"] == 6 and tables["gold.review_decisions"]["newest"] is None
    assert tables["bronze.source_entities"]["newest"].startswith("2026-01-02T03:04:05")
    assert found["review_backlog"] == 1
    assert found["quarantine"] == {"rows": 2, "new_in_last_run": 1}
    assert found["alerts"] == [{"run_id": "r2", "alert": "drift of r2", "value": 0.5}]


def test_the_model_in_force(command: Command, home: Path) -> None:
    assert _status(command, home)["model"] is None
    matcher: Any = Saved()
    told = {"trained_at": DAY.isoformat(), "ditto": True, "evaluation": {"records": 9, "f1": {"value": 0.9712}}}
    models.publish(LakehouseSettings(home=home), matcher, "abc", documents={models.TRAINING: told})
    model = _status(command, home)["model"]
    assert (model["version"], model["f1"], model["versions"]) == ("abc", 0.9712, 1)
    out = command("status", "--home", home).out
    assert "Model: abc, trained 2026-01-02 03:04:05, F1 0.971 on entities kept aside." in out


def test_what_people_read(command: Command, home: Path) -> None:
    out = command("status", "--home", home).out
    for text in ("r3", "killed", "2026-01-02 06:04:05", "no space left", "gold.matched_entities",
                 "1 decision waiting for review", "2 rows in quarantine, 1 of the last ingest",
                 "Alert: drift of r2 (0.5), run r2"):  # fmt: skip
        assert text in " ".join(out.split()), text


def test_a_new_catalog_has_nothing_to_tell(command: Command, tmp_path: Path) -> None:
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        lake.create()
    out = command("status", "--home", tmp_path).out
    assert "No job has run yet." in out and "No alerts." in out and "Model: none yet" in out


def test_without_a_catalog_it_says_how_to_set_one_up(command: Command, tmp_path: Path) -> None:
    done = command("status", "--home", tmp_path / "nothing")
    assert done.code == 1 and "entity-matching run setup-unity-catalog" in done.err
    (tmp_path / "warehouse" / "mine").mkdir(parents=True)
    assert "Catalogs there: mine." in command("status", "--home", tmp_path).err
