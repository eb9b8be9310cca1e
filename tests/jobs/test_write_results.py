from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.filling import put

from entity_matching.jobs.examined import Examined, note_columns_decided, note_examined, read_columns_decided
from entity_matching.jobs.job import Context
from entity_matching.jobs.write_results import JOB, WriteResultsParameters, delete
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.tables import (
    EXACT_MATCHES,
    MATCH_HISTORY,
    MATCHED_ENTITIES,
    PIPELINE_RUNS,
    REFERENCE_ENTITIES,
    REVIEW_DECISIONS,
    REVIEW_QUEUE,
    SCORED_CANDIDATES,
    SOURCE_ENTITIES,
)
from entity_matching.lakehouse.writes import merge

pytestmark = pytest.mark.spark

TICKS = itertools.count()


def tick() -> datetime:
    """A time later than any before."""
    return datetime(2026, 8, 3, tzinfo=UTC) + timedelta(minutes=next(TICKS))


@dataclass
class Day:
    """One catalog, filled by hand; each record is of the system ``crm``."""

    lake: Lakehouse

    def put(self, table: Table, *rows: dict[str, Any]) -> None:
        put(self.lake, table, *rows)

    def reference(self, *entities: str) -> None:
        made = {"attributes": [], "content_hash": "h", "row_hash": "h", "run_id": "load", "loaded_at": tick()}
        self.put(REFERENCE_ENTITIES, *({"entity_id": entity, **made} for entity in entities))

    def drop(self, table: Table, **key: str) -> None:
        delete(self.lake, table, self.lake.frame(pa.table({name: [value] for name, value in key.items()})))

    def source(self, **hashes: str) -> None:
        made = {"source_system": "crm", "attributes": [], "row_hash": "h", "run_id": "load", "ingested_at": tick()}
        rows = ({"source_id": name, "content_hash": value, **made} for name, value in hashes.items())
        self.put(SOURCE_ENTITIES, *rows)

    def exact(
        self,
        run: str,
        name: str,
        entity: str | None,
        *,
        confidence: float = 0.99,
        cause: str = "new",
        hashed: str = "h1",
    ) -> None:
        row = {"run_id": run, "source_system": "crm", "source_id": name, "content_hash": hashed, "cause": cause}
        found = {} if entity is None else {"confidence": confidence, "method": "identifier", "reason": "same LEI"}
        versions = {"reference_version": f"ref-{run}", "model_version": f"model-{run}"}
        self.put(EXACT_MATCHES, {**row, **found, **versions, "entity_id": entity, "matched_at": tick()})

    def scored(
        self, run: str, name: str, decision: str, *found: tuple[str, float], cause: str = "new", hashed: str = "h1"
    ) -> None:
        self.exact(run, name, None, cause=cause, hashed=hashed)
        candidates = [{"entity_id": key, "rank": number, "confidence": p} for number, (key, p) in enumerate(found)]
        row = {
            "run_id": run, "source_system": "crm", "source_id": name, "content_hash": hashed, "decision": decision,
            "entity_id": found[0][0] if found and decision != "no_match" else None,
            "confidence": found[0][1] if found else 0.0, "method": "scored" if found else "none", "reason": "close",
            "candidates": candidates, "asked": len(found), "asked_ditto": 0, "scored_at": tick(),
            "reference_version": f"ref-{run}", "model_version": f"model-{run}",
        }  # fmt: skip
        self.put(SCORED_CANDIDATES, row)

    def review(self, name: str, entity: str | None, by: str = "ann", note: str | None = None) -> None:
        decision = "no_match" if entity is None else "match"
        row = {"source_system": "crm", "source_id": name, "decision": decision, "entity_id": entity, "decided_by": by}
        self.put(REVIEW_DECISIONS, {**row, "note": note, "decided_at": datetime(2026, 8, 2, 9, 30, tzinfo=UTC)})

    def write(self, run: str) -> dict[str, Any]:
        return dict(JOB.recorded(Context(self.lake, run, tick), WriteResultsParameters.model_validate({})))

    def searched(self, run: str) -> None:
        """Write down that exact-match of the run came to its end."""
        row = {"run_id": run, "job": "exact-match", "status": "done", "parameters": "{}", "started_at": tick()}
        self.put(PIPELINE_RUNS, row)

    def gold(self) -> dict[str, dict[str, Any]]:
        return {row["source_id"]: row for row in self.lake.read(MATCHED_ENTITIES).toArrow().to_pylist()}

    def history(self, name: str) -> list[tuple[Any, ...]]:
        rows = self.lake.read(MATCH_HISTORY).where(f"source_id = '{name}'").orderBy("version").toArrow().to_pylist()
        return [(row["version"], row["cause"], row["decision"], row["entity_id"]) for row in rows]


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    """An empty catalog with the entities A, B and C. (One for all tests would grow, and slow down.)"""
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        lake.create()
        made = Day(lake)
        made.reference("A", "B", "C")
        yield made


def test_decisions_of_both_stages_become_rows_of_gold_unmatched_ones_included(day: Day) -> None:
    day.source(one="h1", two="h1", three="h1")
    day.exact("r1", "one", "A")
    day.scored("r1", "two", "review", ("B", 0.6), ("C", 0.2))
    day.scored("r1", "three", "no_match")
    figures = day.write("r1")
    gold = day.gold()
    assert {name: (row["decision"], row["entity_id"], row["version"]) for name, row in gold.items()} == {
        "one": ("match", "A", 1), "two": ("review", "B", 1), "three": ("no_match", None, 1),
    }  # fmt: skip
    assert gold["one"]["candidates"] == [{"entity_id": "A", "confidence": 0.99}]
    assert [c["entity_id"] for c in gold["two"]["candidates"]] == ["B", "C"]
    assert gold["three"]["candidates"] == []
    assert (gold["two"]["model_version"], gold["two"]["reference_version"]) == ("model-r1", "ref-r1")
    assert figures["decisions"] == {"match": 1, "review": 1, "no_match": 1}
    assert figures["changes"] == {"new": 3}
    assert day.history("two") == [(1, "new", "review", "B")]


def test_the_version_grows_only_with_another_decision_or_entity(day: Day) -> None:
    day.source(one="h1")
    for run, confidence, entity in (("r1", 0.9, "A"), ("r2", 0.8, "A"), ("r3", 0.9, "B")):
        day.exact(run, "one", entity, confidence=confidence, cause="model")
        day.write(run)
        if run == "r2":
            assert (day.gold()["one"]["version"], day.gold()["one"]["run_id"]) == (1, "r2")
    one = day.gold()["one"]
    assert (one["version"], one["entity_id"], one["model_version"]) == (2, "B", "model-r3")
    assert day.history("one") == [(1, "model", "match", "A"), (2, "model", "match", "B")]
    last = day.lake.read(MATCH_HISTORY).where("source_id = 'one' AND version = 2").toArrow().to_pylist()[0]
    assert (last["previous_entity_id"], last["previous_confidence"]) == ("A", 0.8)
    assert last["previous_model_version"] == "model-r2"


def test_a_record_that_changed_or_went_meanwhile_is_left_to_the_next_run(day: Day) -> None:
    day.source(one="h2", two="h1")
    day.exact("r1", "one", "A", hashed="h1")
    day.exact("r1", "two", "A")
    day.exact("r1", "gone", "A")
    figures = day.write("r1")
    assert set(day.gold()) == {"two"}
    assert figures["outdated"] == 2


def test_a_record_that_was_not_scored_is_told_and_left_as_it_is(day: Day, caplog: pytest.LogCaptureFixture) -> None:
    day.source(one="h1")
    day.exact("r1", "one", None)
    assert day.write("r1")["undecided"] == 1
    assert day.gold() == {}
    assert "run score-candidates first" in caplog.text


def test_an_earlier_run_does_not_undo_a_later_one(day: Day) -> None:
    day.source(one="h1")
    day.exact("r1", "one", "A")
    day.exact("r2", "one", "B")
    day.write("r2")
    day.write("r1")
    assert day.gold()["one"]["entity_id"] == "B"


def test_a_day_on_which_nothing_came_changes_nothing(day: Day) -> None:
    day.source(one="h1")
    day.exact("r1", "one", "A")
    day.write("r1")
    before = day.gold(), day.history("one")
    figures = day.write("r2")
    assert (day.gold(), day.history("one")) == before
    assert figures["changes"] == {}


def test_a_run_written_twice_is_written_once(day: Day) -> None:
    day.source(one="h1")
    day.exact("r1", "one", "A")
    day.write("r1")
    before = day.gold(), day.history("one")
    day.write("r1")
    assert (day.gold(), day.history("one")) == before


def test_what_a_person_decided_stands_against_the_model(day: Day) -> None:
    day.source(one="h1", two="h1")
    day.review("one", "C", note="I called them")
    day.review("two", None)
    for run in ("r1", "r2"):
        day.exact(run, "one", "A", cause="new" if run == "r1" else "model")
        day.exact(run, "two", "B")
        day.write(run)
    one, two = day.gold()["one"], day.gold()["two"]
    assert (one["decision"], one["entity_id"], one["confidence"], one["method"]) == ("match", "C", 1.0, "review")
    assert one["reason"] == "decided by ann on 2026-08-02 09:30 UTC: I called them"
    assert one["model_version"] == "model-r2"
    assert (two["decision"], two["entity_id"], two["confidence"]) == ("no_match", None, 1.0)
    assert day.history("one") == [(1, "new", "match", "C")]


def test_a_decision_made_after_matching_takes_effect_without_a_new_match(day: Day) -> None:
    day.source(one="h1", two="h1")
    day.scored("r1", "one", "review", ("A", 0.6))
    day.exact("r1", "two", "A")
    day.write("r1")
    day.review("one", "B")
    figures = day.write("r2")
    gold = day.gold()
    assert (gold["one"]["entity_id"], gold["one"]["method"], gold["one"]["run_id"]) == ("B", "review", "r2")
    assert gold["two"]["run_id"] == "r1"
    assert day.history("one") == [(1, "new", "review", "A"), (2, "review", "match", "B")]
    assert figures["changes"] == {"review": 1}
    assert day.write("r3")["decisions"] == {"match": 0, "review": 0, "no_match": 0}


def test_a_decision_for_an_entity_that_is_gone_goes_to_review_and_says_so(day: Day) -> None:
    day.source(one="h1")
    day.scored("r1", "one", "match", ("A", 0.9), ("B", 0.1))
    day.review("one", "C")
    day.write("r1")
    day.drop(REFERENCE_ENTITIES, entity_id="C")
    day.write("r2")
    row = day.gold()["one"]
    assert (row["decision"], row["entity_id"], row["confidence"]) == ("review", "A", 0.9)
    assert row["reason"] == "decided by ann on 2026-08-02 09:30 UTC as C, which is not in the reference"
    assert [row["source_id"] for row in day.lake.read(REVIEW_QUEUE).collect()] == ["one"]
    assert day.write("r3")["decisions"]["review"] == 0
    day.reference("C")
    day.write("r4")
    assert day.gold()["one"]["entity_id"] == "C"
    assert [row[2:] for row in day.history("one")] == [("match", "C"), ("review", "A"), ("match", "C")]


def test_a_decision_for_an_entity_that_never_was_with_no_candidate_goes_to_review(day: Day) -> None:
    day.source(one="h1")
    day.scored("r1", "one", "no_match")
    day.review("one", "Z")
    day.write("r1")
    row = day.gold()["one"]
    assert (row["decision"], row["entity_id"], row["confidence"]) == ("review", None, 0.0)


def test_a_record_that_the_source_no_longer_has_leaves_gold_and_keeps_its_history(day: Day) -> None:
    day.source(one="h1", two="h1")
    day.exact("r1", "one", "A")
    day.exact("r1", "two", "A")
    day.review("one", "A")
    day.write("r1")
    day.drop(SOURCE_ENTITIES, source_system="crm", source_id="one")
    assert day.write("r2")["removed"] == 1
    assert set(day.gold()) == {"two"}
    assert day.history("one") == [(1, "new", "match", "A"), (2, "removed", "removed", None)]
    day.source(one="h1")
    day.scored("r3", "one", "review", ("B", 0.5))
    day.write("r3")
    assert day.gold()["one"]["version"] == 3
    assert day.history("one")[-1] == (3, "new", "match", "A")


def test_rows_that_the_run_looked_at_and_found_unconcerned_are_of_the_present_reference(day: Day) -> None:
    day.source(one="h1", two="h1", three="h1")
    for name in ("one", "two", "three"):
        day.exact("r1", name, "A")
    day.write("r1")
    day.exact("r2", "two", "B", cause="reference")
    day.review("three", "C")
    note_examined(day.lake.settings, "r2", Examined("ref-r2", {}))
    day.write("r2")
    assert day.gold()["one"]["reference_version"] == "ref-r1"  # exact-match, which looks, was killed after its note
    day.searched("r2")
    day.write("r2")
    gold = day.gold()
    assert (gold["one"]["reference_version"], gold["one"]["run_id"], gold["one"]["version"]) == ("ref-r2", "r1", 1)
    assert (gold["two"]["reference_version"], gold["two"]["run_id"]) == ("ref-r2", "r2")
    assert gold["three"]["entity_id"] == "C"
    assert len(gold) == 3
    day.write("r3")
    assert day.gold() == gold


def test_the_columns_of_a_system_are_noted_once_all_of_its_decisions_are_written(day: Day) -> None:
    settings = day.lake.settings
    note_columns_decided(settings, {"erp": ("name",)})
    day.source(one="h1", two="h1")
    day.exact("r1", "one", "A")
    day.exact("r1", "two", None)
    note_examined(settings, "r1", Examined("ref-r1", {"crm": ("name", "city")}))
    day.searched("r1")
    day.write("r1")
    assert read_columns_decided(settings) == {"erp": ("name",)}
    day.scored("r1", "two", "no_match")
    day.write("r1")
    assert read_columns_decided(settings) == {"erp": ("name",), "crm": ("name", "city")}


def test_records_of_one_key_in_two_systems_are_two(day: Day) -> None:
    day.source(one="h1")
    sources = day.lake.read(SOURCE_ENTITIES).toArrow()
    place = sources.column_names.index("source_system")
    erp = sources.set_column(place, "source_system", pa.array(["erp"]))
    merge(day.lake, SOURCE_ENTITIES, day.lake.frame(erp))
    day.exact("r1", "one", "A")
    day.review("one", "B")
    day.scored("r2", "one", "review", ("C", 0.5))
    for table in (EXACT_MATCHES, SCORED_CANDIDATES):  # what r2 decided is of the other system
        day.lake.sql(f"UPDATE {day.lake.name(table)} SET source_system = 'erp' WHERE run_id = 'r2'")
    day.write("r1")
    figures = day.write("r2")
    rows = day.lake.read(MATCHED_ENTITIES).orderBy("source_system").toArrow().to_pylist()
    found = [(row["source_system"], row["decision"], row["entity_id"], row["method"]) for row in rows]
    assert found == [("crm", "match", "B", "review"), ("erp", "review", "C", "scored")]
    assert figures["changes"] == {"new": 1}
    day.drop(SOURCE_ENTITIES, source_system="crm", source_id="one")
    assert day.write("r3")["removed"] == 1
    assert [row["source_system"] for row in day.lake.read(MATCHED_ENTITIES).collect()] == ["erp"]


def test_a_kill_between_history_and_gold_is_repaired_whatever_comes_next(day: Day) -> None:
    day.source(one="h1", two="h1", three="h1")
    for name in ("one", "two", "three"):
        day.exact("r1", name, "A")
    day.write("r1")
    killed = {"cause": "changed", "decision": "match", "confidence": 1.0, "method": "identifier", "run_id": "killed"}
    rows = [{"source_id": "one", "version": 2, "entity_id": "B"}, {"source_id": "new", "version": 1, "entity_id": "B"},
            {"source_id": "two", "version": 2, "decision": "removed"}]  # fmt: skip
    day.put(MATCH_HISTORY, *({**killed, **row, "source_system": "crm", "changed_at": tick()} for row in rows))
    day.exact("r2", "three", "C", cause="full")
    day.write("r2")
    assert day.history("one") == day.history("two") == [(1, "new", "match", "A")]
    assert day.history("new") == []
    assert day.history("three") == [(1, "new", "match", "A"), (2, "full", "match", "C")]


def test_the_history_outlives_a_gold_that_was_emptied(day: Day) -> None:
    day.source(one="h1")
    day.exact("r1", "one", "A")
    day.write("r1")
    day.lake.sql(f"DELETE FROM {day.lake.name(MATCHED_ENTITIES)}")
    day.exact("r2", "one", "B")
    day.write("r2")
    assert day.history("one") == [(1, "new", "match", "A"), (2, "new", "match", "B")]
    assert day.gold()["one"]["version"] == 2
