"""The figures of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.filling import fill

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import models
from entity_matching.jobs.drift import PROFILE, make_profile
from entity_matching.jobs.generate_metrics import JOB, MetricsParameters, Shares
from entity_matching.jobs.job import Context
from entity_matching.jobs.metrics import record_metrics
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.tables import (
    EXACT_MATCHES,
    MATCHED_ENTITIES,
    PIPELINE_METRICS,
    PIPELINE_RUNS,
    SCORED_CANDIDATES,
    SOURCE_ENTITIES,
)
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

pytestmark = pytest.mark.spark

DAY = datetime(2026, 1, 2, tzinfo=UTC)
SCHEMA = "attributes:\n  name: {kind: name}\n  country: {kind: category, type: country}\n"
STAMP = pa.timestamp("us", "UTC")
CANDIDATES = {
    MATCHED_ENTITIES: pa.list_(pa.struct([("entity_id", pa.string()), ("confidence", pa.float64())])),
    SCORED_CANDIDATES: pa.list_(
        pa.struct(
            [("entity_id", pa.string()), ("rank", pa.int32()), ("search_score", pa.float64()),
             ("feature_score", pa.float64()), ("ditto_score", pa.float64()), ("confidence", pa.float64())]
        )
    ),
}  # fmt: skip
TYPES = {
    "STRING": pa.string(), "DOUBLE": pa.float64(), "INT": pa.int32(), "BIGINT": pa.int64(), "TIMESTAMP": STAMP,
    "MAP<STRING, STRING>": pa.map_(pa.string(), pa.string()),
}  # fmt: skip


class Saved:
    """Stands for a matcher that reads a name and a country."""

    def save(self, folder: Path) -> None:
        """Write what is asked of a model here."""
        (folder / models.MANIFEST).write_text("{}")
        (folder / "schema.yml").write_text(SCHEMA)


def _put(lake: Lakehouse, table: Table, rows: list[dict[str, Any]]) -> None:
    """Put rows into a table; what is not said is null, an empty list, "x" or the day."""
    columns = {}
    for column in table.columns:
        kind = TYPES.get(column.type, CANDIDATES.get(table))
        usual = None if column.nullable else {STAMP: DAY, pa.string(): "x", pa.int32(): 1}.get(kind, [])
        columns[column.name] = pa.array([row.get(column.name, usual) for row in rows], kind)
    fill(lake, table, pa.table(columns))


def _source(lake: Lakehouse, keys: list[str], country: str = "DE") -> None:
    attributes = [[("name", f"Company {key}"), ("country", country)] for key in keys]
    _put(lake, SOURCE_ENTITIES, [
        {"source_system": "crm", "source_id": key, "attributes": given, "content_hash": f"h{key}"}
        for key, given in zip(keys, attributes, strict=True)
    ])  # fmt: skip


def _jobs(lake: Lakehouse, run_id: str, start: datetime, status: str = "done") -> None:
    jobs = ("ingest-source-entities", "exact-match", "score-candidates", "write-results")
    _put(lake, PIPELINE_RUNS, [
        {"run_id": run_id, "job": job, "status": status, "parameters": "{}",
         "started_at": start + timedelta(seconds=10 * place), "finished_at": start + timedelta(seconds=10 * place + 5)}
        for place, job in enumerate(jobs)
    ])  # fmt: skip


def _decide(lake: Lakehouse, run_id: str, keys: list[str], exact: int, matched: int) -> None:
    """Let the exact stage decide the first records, and the score match the next; the others are for review."""
    key = [{"run_id": run_id, "source_system": "crm", "source_id": each, "model_version": "m1"} for each in keys]
    decided = {"entity_id": "E", "confidence": 0.99, "method": "identifier", "cause": "new"}
    open_ = {"cause": "changed", "conflict": "country"}
    _put(lake, EXACT_MATCHES, [row | (decided if place < exact else open_) for place, row in enumerate(key)])
    accepted = {"decision": "match", "confidence": 0.95, "asked_ditto": 3}
    doubted = {"decision": "review", "confidence": 0.5, "asked_ditto": 9}
    _put(lake, SCORED_CANDIDATES, [
        row | {"entity_id": "E", "method": "scored", "asked": 30} | (accepted if place < matched else doubted)
        for place, row in enumerate(key[exact:])
    ])  # fmt: skip
    _put(lake, MATCHED_ENTITIES, [
        {**row, "decision": "match" if place < exact + matched else "review", "entity_id": "E", "confidence": 0.5,
         "method": "scored"}
        for place, row in enumerate(key)
    ])  # fmt: skip


def _measure(lake: Lakehouse, run_id: str | None = None, **more: Any) -> dict[str, Any]:
    given = MetricsParameters.model_validate({"run_id": run_id, **more})
    return dict(JOB.recorded(Context(lake, run_id or "own", lambda: DAY), given))


def _metrics(lake: Lakehouse, run_id: str) -> dict[tuple[str, str, str], float]:
    rows = lake.sql(f"SELECT * FROM {lake.name(PIPELINE_METRICS)} WHERE run_id = '{run_id}'").toArrow().to_pylist()
    return {(row["stage"], row["metric"], row["label"]): row["value"] for row in rows}


def _publish(lake: Lakehouse, countries: list[str], confidence: list[float]) -> None:
    rows = pa.table({"name": [f"Company {n % 100}" for n in range(len(countries))], "country": countries})
    schema = Schema.from_yaml(SCHEMA)
    profile = make_profile(normalize_table(rows, schema, Side.SOURCE), schema, np.array(confidence))
    matcher: Any = Saved()
    models.publish(lake.settings, matcher, "m1", documents={PROFILE: json.loads(json.dumps(profile))})


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lakehouse]:
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as opened:
        opened.create()
        yield opened


KEYS = [str(number) for number in range(100)]


def test_counts_speed_and_backlog(lake: Lakehouse) -> None:
    _source(lake, KEYS)
    _decide(lake, "r1", KEYS, exact=40, matched=50)
    _jobs(lake, "r1", DAY)
    figures = _measure(lake, "r1")
    assert figures["decisions"] == {"match": 90, "review": 10, "no_match": 0}
    assert figures["measured_run"] == "r1" and figures["backlog"] == 10
    found = _metrics(lake, "r1")
    assert found["exact", "records_by_cause", "new"] == 40
    assert found["exact", "records_by_method", "to_score"] == 60
    assert found["exact", "conflicts", ""] == 60
    assert found["score", "records_by_decision", "review"] == 10
    assert found["score", "ditto_share", ""] == pytest.approx((50 * 3 + 10 * 9) / (60 * 30))
    assert found["run", "records", ""] == 100 and found["run", "match_share", ""] == 0.9
    bins = {label: value for (_, metric, label), value in found.items() if metric == "confidence"}
    assert len(bins) == 20 and sum(bins.values()) == 100
    assert (bins["0.95"], bins["0.50"]) == (90, 10)
    assert found["run", "seconds", "score-candidates"] == 5
    assert found["run", "records_per_second", ""] == pytest.approx(100 / 15)
    assert found["run", "backlog", ""] == 10
    assert found["write", "decisions", "match"] == 90
    assert found["run", "gold", "match"] == 90 and found["run", "gold", "no_match"] == 0


def test_measured_again_it_is_the_same(lake: Lakehouse) -> None:
    _source(lake, KEYS)
    _decide(lake, "r1", KEYS, exact=40, matched=50)
    _jobs(lake, "r1", DAY)
    first = _measure(lake, "r1"), _metrics(lake, "r1")
    again = _measure(lake, "r1"), _metrics(lake, "r1")
    # all but how long it took to measure
    seconds = ("run", "seconds", "generate-metrics")
    assert again[0] == first[0]
    assert {key: value for key, value in again[1].items() if key != seconds} == first[1]


def test_a_later_run_takes_nothing_from_what_was_measured(lake: Lakehouse) -> None:
    _decide(lake, "r1", KEYS[:4], exact=2, matched=1)
    _measure(lake, "r1")
    _decide(lake, "r2", KEYS[:3], exact=1, matched=1)
    for run_id in ("r2", "r1"):
        _measure(lake, run_id)
    day = lake.sql("SELECT matched, for_review, decided, runs FROM gold.daily_stats").toArrow().to_pylist()
    assert day == [{"matched": 5, "for_review": 2, "decided": 7, "runs": 2}]


def test_without_a_name_the_last_run_is_measured(lake: Lakehouse) -> None:
    with pytest.raises(EntityMatchingError, match="Nothing was matched yet"):
        _measure(lake)
    _source(lake, KEYS[:2])
    _decide(lake, "r1", KEYS[:2], exact=1, matched=1)
    _jobs(lake, "r1", DAY)
    _jobs(lake, "r0", DAY - timedelta(days=1))
    _jobs(lake, "r2", DAY + timedelta(days=1), status="failed")
    assert _measure(lake)["measured_run"] == "r1"
    assert _metrics(lake, "own") == {}


def test_a_run_that_looked_at_nothing_has_zeros(lake: Lakehouse) -> None:
    _jobs(lake, "r1", DAY)
    figures = _measure(lake, "r1")
    assert figures["records"] == 0 and figures["alerts"] == {}
    found = _metrics(lake, "r1")
    assert found["run", "records", ""] == 0
    assert found["run", "match_share", ""] is None


def test_drift_alerts_of_what_changed_alone(lake: Lakehouse) -> None:
    _publish(lake, (["DE"] * 8 + ["FR"] * 2) * 10, [0.99] * 90 + [0.5] * 10)
    _source(lake, KEYS, country="JP")
    _decide(lake, "r1", KEYS, exact=40, matched=50)
    _jobs(lake, "r1", DAY)
    figures = _measure(lake, "r1")
    assert list(figures["alerts"]) == ["drift of attribute country"]
    assert set(figures["psi"]) == {"confidence", "attribute name", "attribute country"}
    found = _metrics(lake, "r1")
    alert = found["run", "alert", "drift of attribute country"]
    assert alert == pytest.approx(found["run", "psi", "attribute country"], abs=1e-4) and alert > 0.25
    # the cause is mended, and the run measured again
    _publish(lake, ["JP"] * 100, [0.99] * 90 + [0.5] * 10)
    assert _measure(lake, "r1")["alerts"] == {}
    assert not [key for key in _metrics(lake, "r1") if key[1] == "alert"]


def test_a_shift_of_the_confidence_alerts(lake: Lakehouse) -> None:
    _publish(lake, ["DE"] * 100, [0.1] * 100)
    _source(lake, KEYS)
    _decide(lake, "r1", KEYS, exact=40, matched=50)
    _jobs(lake, "r1", DAY)
    assert list(_measure(lake, "r1")["alerts"]) == ["drift of confidence"]
    assert _measure(lake, "r1", psi=100)["alerts"] == {}


def test_without_the_model_drift_is_not_measured_and_it_says_so(
    lake: Lakehouse, caplog: pytest.LogCaptureFixture
) -> None:
    _source(lake, KEYS[:1])
    _decide(lake, "r1", KEYS[:1], exact=1, matched=0)
    assert _measure(lake, "r1")["psi"] == {}
    assert "Drift is not measured: There is no model 'm1'" in caplog.text


def test_many_rejected_rows_alert(lake: Lakehouse) -> None:
    context = Context(lake, "r1", lambda: DAY)
    record_metrics(context, ingest=[("rows", "", 100), ("rejected", "", 1), ("rows", "a.csv", 100)])
    assert _measure(lake, "r1")["alerts"] == {}
    record_metrics(context, ingest=[("rejected", "", 2)])
    assert _measure(lake, "r1")["alerts"] == {"quarantine share": 0.02}
    assert _measure(lake, "r1", quarantine_share=0.05)["alerts"] == {}


def test_another_share_of_matches_alerts(lake: Lakehouse) -> None:
    for number, (run_id, matches) in enumerate({"r1": 95, "empty": 0, "r2": 75}.items()):
        if run_id != "empty":
            _decide(lake, run_id, KEYS, exact=0, matched=matches)
        _jobs(lake, run_id, DAY + timedelta(days=number))
        found = _measure(lake, run_id)["alerts"]
        assert found == ({"match share moved": -0.2} if run_id == "r2" else {})


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        (Shares(950, 1000), Shares(800, 1000), True),
        (Shares(800, 1000), Shares(950, 1000), True),
        (Shares(950, 1000), Shares(900, 1000), False),
        (Shares(950, 1000), Shares(2, 3), False),
        (Shares(0, 0), Shares(2, 3), False),
        (Shares(3, 3), Shares(0, 0), False),
    ],
)
def test_a_share_has_moved_if_it_is_more_than_chance(before: Shares, now: Shares, moved: bool) -> None:
    assert now.moved(before, 0.1) is moved
