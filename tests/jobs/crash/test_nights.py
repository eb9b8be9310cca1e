"""Nights killed at each of their writes, and in the middle of some, are repaired by the next run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entity_matching.jobs import pipeline
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.lakehouse.tables import EXACT_MATCHES, MATCHED_ENTITIES, SOURCE_ENTITIES

if TYPE_CHECKING:
    from tests.jobs.conftest import Nights
    from tests.jobs.crash.conftest import Driver, Undisturbed

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked and killed by signals"),
]


def _differences(found: dict[str, Any], expected: dict[str, Any]) -> list[Any]:
    """Return the rows that one of the two has more often, with their tables."""
    return [
        (name, row)
        for name in expected
        for one, other in ((found[name], expected[name]), (expected[name], found[name]))
        for row in one
        if one.count(row) > other.count(row)
    ]


RUNS = "MERGE INTO gold.pipeline_runs"
Point = tuple[str, int]
"""A write, and for the n-th time."""
INGEST: list[Point] = [
    ("ingest-source-entities MERGE INTO bronze.reference_entities", 1),
    ("ingest-source-entities MERGE INTO bronze.quarantine", 1),
    ("ingest-source-entities MERGE INTO bronze.source_entities", 1),
    ("ingest-source-entities MERGE INTO gold.pipeline_metrics", 1),
    (f"ingest-source-entities {RUNS}", 1),
]
MATCHING: list[Point] = [
    (f"exact-match {RUNS}", 1),
    ("exact-match rename index", 1),
    ("exact-match replace examined.json", 1),
    ("exact-match INSERT INTO silver.exact_matches", 1),
    (f"score-candidates {RUNS}", 1),
    ("score-candidates INSERT INTO silver.scored_candidates", 1),
]
WRITING: list[Point] = [
    ("write-results MERGE INTO gold.match_history", 1),
    ("write-results MERGE INTO gold.matched_entities", 1),
    ("write-results MERGE INTO gold.matched_entities", 2),
    ("write-results replace columns.json", 1),
    ("generate-metrics MERGE INTO gold.pipeline_metrics", 1),
    (f"generate-metrics {RUNS}", 1),
    (f"write-results {RUNS}", 1),
    (f"run-pipeline {RUNS}", 2),
]
# a run under its own id finds what its first try left; one under another must not be misled by it
TRIES = [
    ([*INGEST[:2], *MATCHING[:2], *WRITING[:2]], True),
    ([*INGEST[2:4], *MATCHING[2:4], *WRITING[2:4]], True),
    (WRITING[1:3], False),
    ([*INGEST[4:], *MATCHING[4:], *WRITING[4:6]], False),
    (WRITING[6:], False),
]


def test_nights_are_killed_at_every_write_to_a_table(undisturbed: Undisturbed) -> None:
    to_tables = {write for write in undisturbed.writes if " INTO " in write or " FROM " in write}
    assert to_tables <= {write for write, _ in (*INGEST, *MATCHING, *WRITING)}
    assert {point for places, _ in TRIES for point in places} == {*INGEST, *MATCHING, *WRITING}


@pytest.mark.parametrize(("places", "same_id"), TRIES)
def test_a_night_killed_again_and_again_between_its_writes_comes_to_the_same_end(
    places: list[Point], same_id: bool, driver: Driver, nights: Nights, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    home = nights.copy(tmp_path / "home")

    def arguments(attempt: int) -> list[str]:
        return [*nights.day(home), "--run-id", "day-2" if same_id else f"day-2-{attempt}"]

    for attempt, (write, number) in enumerate(places):
        driver.kill("run-pipeline", arguments(attempt), write, number)
    pipeline.JOB.run(arguments(len(places)))
    assert _differences(nights.results(home), undisturbed.results) == []


def test_a_night_killed_within_its_writes_comes_to_the_same_end(
    driver: Driver, nights: Nights, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    home = nights.copy(tmp_path / "home")
    arguments = [*nights.day(home), "--run-id", "day-2"]
    for write, table in [
        ("ingest-source-entities MERGE INTO bronze.source_entities", SOURCE_ENTITIES),
        ("exact-match INSERT INTO silver.exact_matches", EXACT_MATCHES),
        ("write-results MERGE INTO gold.matched_entities", MATCHED_ENTITIES),
    ]:
        folder = LakehouseSettings(home=home).warehouse / table.schema / table.name
        commits = set(folder.glob("_delta_log/*.json"))
        driver.kill("run-pipeline", arguments, write, what="break_off", bytes=1_500)  # in the midst of a data file
        assert set(folder.glob("_delta_log/*.json")) == commits
        driver.kill("run-pipeline", arguments, write, what="watch", folder=str(folder))  # when that file is whole
    pipeline.JOB.run(arguments)
    assert _differences(nights.results(home), undisturbed.results) == []


@pytest.mark.parametrize(
    "write",
    [
        "ingest-source-entities MERGE INTO bronze.reference_entities",
        "write-results MERGE INTO gold.matched_entities",
    ],
)
def test_a_disk_that_fills_up_stops_a_night_and_the_next_on_a_good_disk_comes_to_the_same_end(
    write: str, driver: Driver, nights: Nights, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    home = nights.copy(tmp_path / "home")
    arguments = [*nights.day(home), "--run-id", "day-2"]
    driver.start("run-pipeline", arguments, write, what="fill_up", bytes=1_000)
    assert driver.end() == 1
    told = driver.output.read_text()
    assert "cannot take more: File too large. Free some space" in told, told
    assert "Traceback" not in told
    pipeline.JOB.run(arguments)
    assert _differences(nights.results(home), undisturbed.results) == []
