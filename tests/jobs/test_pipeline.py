"""``run-pipeline``: the stages as one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entity_matching.errors import EntityMatchingError, InputError
from entity_matching.files import read_table, write_table
from entity_matching.jobs import models, pipeline, write_results
from entity_matching.jobs.job import Job
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.matcher import Matcher

if TYPE_CHECKING:
    from tests.jobs.conftest import Nights

pytestmark = pytest.mark.spark

STAGES = ["ingest-source-entities", "exact-match", "score-candidates", "write-results", "generate-metrics"]
Figures = dict[str, Any]
Told = list[tuple[str, float]]


@pytest.fixture
def home(nights: Nights, tmp_path: Path) -> Path:
    """Return a home in which the first day has been matched."""
    return nights.copy(tmp_path / "home")


@pytest.fixture
def run(home: Path) -> Callable[..., Figures]:
    """Do the job on the home."""

    def done(*given: object, progress: Any = None) -> Figures:
        return dict(pipeline.JOB.run(["--home", str(home), *map(str, given)], progress=progress))

    return done


def ask(home: Path, statement: str) -> list[Any]:
    """Return the rows of a query: of one column its values."""
    with open_lakehouse(LakehouseSettings(home=home)) as lake:
        rows = [tuple(row.values()) for row in lake.sql(statement).toArrow().to_pylist()]
    return [row[0] if len(row) == 1 else row for row in rows]


def runs(home: Path, run_id: str) -> dict[str, tuple[str, str | None]]:
    """Return status and message of each job of a run, in the order in which they began."""
    query = "SELECT job, status, message FROM gold.pipeline_runs WHERE run_id = '{}' ORDER BY started_at"
    return {job: (status, message) for job, status, message in ask(home, query.format(run_id))}


def test_a_night_is_one_run_with_figures_and_progress_by_stage(nights: Nights, home: Path) -> None:
    told: Told = []
    figures = pipeline.JOB.run(
        [*nights.day(home), "--run-id", "night"], progress=lambda stage, share: told.append((stage, share))
    )
    assert list(figures) == ["run_id", *STAGES]
    assert figures["run_id"] == "night"
    ingest, exact, scored, written, measured = (figures[stage] for stage in STAGES)
    assert {name: ingest[name] for name in ("rows", "new", "changed", "rejected", "removed")} == {
        "rows": 59, "new": 10, "changed": 4, "rejected": 3, "removed": 4,
    }  # fmt: skip
    assert ingest["reference"]["changed"] == 5 and ingest["reference"]["removed"] == 5
    assert {"new": 10, "changed": 4}.items() <= exact["causes"].items()
    assert exact["methods"]["to_score"] == scored["records"]
    assert written["removed"] == 4 and written["undecided"] == written["outdated"] == 0
    assert measured["measured_run"] == "night"
    assert measured["records"] == exact["records"]
    assert runs(home, "night") == dict.fromkeys(["run-pipeline", *STAGES], ("done", None))
    assert ask(home, "SELECT DISTINCT run_id FROM silver.exact_matches WHERE run_id <> 'day-1'") == ["night"]
    assert [stage for stage, share in told if share == 0.0] == STAGES
    assert [stage for stage, share in told if share == 1.0] == STAGES
    changed = ask(home, "SELECT cause FROM gold.match_history WHERE run_id = 'night'")
    assert len(changed) == sum(written["changes"].values()) + written["removed"]


def test_gold_says_what_the_matcher_says_of_the_same_tables(nights: Nights, plain_matcher: Matcher) -> None:
    source, reference = read_table(nights.source(1)), read_table(nights.reference(1))
    expected = plain_matcher.match(source, reference).to_pylist()
    query = (
        "SELECT source_id, decision, entity_id, confidence, method, reason, candidates FROM gold.matched_entities"
        " ORDER BY source_id"
    )
    found = ask(nights.home, query)
    assert len(found) == len(expected) == 50
    for row, one in zip(found, sorted(expected, key=lambda one: str(one["source_key"])), strict=True):
        assert row[:3] == (one["source_key"], one["decision"], one["entity_id"])
        assert row[3] == pytest.approx(one["confidence"], abs=1e-9)
        assert row[4:6] == (one["method"], one["reason"])
        assert [item["entity_id"] for item in row[6]] == [item["entity_id"] for item in one["candidates"]]


def test_without_a_source_the_first_stage_is_left_out_and_only_peoples_decisions_are_new(
    home: Path, run: Callable[..., Figures]
) -> None:
    figures = run("--run-id", "quiet")
    assert list(figures) == ["run_id", *STAGES[1:]]
    assert list(runs(home, "quiet")) == ["run-pipeline", *STAGES[1:]]
    assert figures["exact-match"]["records"] == figures["score-candidates"]["records"] == 0
    assert figures["write-results"]["changes"] == {"review": 1}
    assert run()["write-results"]["decisions"] == {"match": 0, "review": 0, "no_match": 0}


def test_an_empty_day_and_the_same_day_again_change_nothing(
    nights: Nights, home: Path, run: Callable[..., Figures], tmp_path: Path
) -> None:
    run()
    before = nights.results(home)
    again = run("--source", nights.source(1), "--reference", nights.reference(1))
    assert again["ingest-source-entities"]["unchanged"] == 50
    assert again["exact-match"]["records"] == 0
    empty = tmp_path / "crm_2026-03-03.csv"
    empty.write_text(nights.source(1).read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    figures = run("--source", empty)
    assert figures["ingest-source-entities"]["rows"] == figures["exact-match"]["records"] == 0
    assert nights.results(home) == before


def test_a_full_run_looks_at_all_and_a_rescore_at_what_another_model_decided(
    nights: Nights, home: Path, run: Callable[..., Figures], plain_matcher: Matcher, tmp_path: Path
) -> None:
    assert run("--full")["exact-match"]["causes"] == {"full": 50}
    settings = LakehouseSettings(home=home)
    models.publish(settings, plain_matcher, "other")
    models.put_in_force(settings, "plain")
    assert run("--rescore")["exact-match"]["records"] == 0
    assert run("--model", "other")["exact-match"]["records"] == 0
    rescored = run("--model", "other", "--rescore")
    assert rescored["exact-match"]["causes"] == {"model": 50}
    assert rescored["score-candidates"]["model_version"] == "other"
    assert ask(home, "SELECT DISTINCT model_version FROM gold.matched_entities") == ["other"]
    assert models.current(settings) == "plain"
    with pytest.raises(EntityMatchingError, match="There is no model 'none'"):
        run("--model", "none")


@pytest.mark.parametrize("why", ["expectations", "shrinking", "corrupt"])
def test_a_night_that_must_not_go_on_stops_before_anything_is_written(
    why: str, nights: Nights, home: Path, run: Callable[..., Figures], tmp_path: Path
) -> None:
    given: list[object] = ["--source", nights.source(2), "--run-id", "bad"]
    if why == "expectations":
        rules = tmp_path / "expected.yml"
        rules.write_text("source: {isin: {max_null_share: 0.1}}", encoding="utf-8")
        given += ["--expectations", rules]
        told = "isin"
    elif why == "shrinking":
        small = tmp_path / "reference.csv"
        write_table(read_table(nights.reference(1)).slice(0, 50), small)
        given += ["--reference", small]
        told = "The reference lacks 501 of the 551 records"
    else:
        broken = tmp_path / "reference.parquet"
        broken.write_bytes(b"PAR1 and nothing more")
        given += ["--reference", broken]
        told = "reference.parquet"
    with pytest.raises(EntityMatchingError, match=told):
        run(*given)
    assert nights.results(home) == nights.first_results
    stopped = runs(home, "bad")
    assert {job: status for job, (status, _) in stopped.items()} == {"run-pipeline": "failed", STAGES[0]: "failed"}
    assert told in str(stopped[STAGES[0]][1])


def test_a_stage_that_failed_is_written_down_and_the_next_run_mends_it(
    nights: Nights, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise InputError("the disk has gone", file="gold")

    told: Told = []
    with monkeypatch.context() as patched, pytest.raises(InputError, match="the disk has gone"):
        patched.setattr(write_results, "_write_gold", fails)
        pipeline.JOB.run([*nights.day(home), "--run-id", "night"], progress=lambda *one: told.append(one))
    statuses = {job: status for job, (status, _) in runs(home, "night").items()}
    assert statuses == {
        "run-pipeline": "failed", **dict.fromkeys(STAGES[:3], "done"), "write-results": "failed",
    }  # fmt: skip
    assert "the disk has gone" in str(runs(home, "night")["run-pipeline"][1])
    assert told[-1] == ("write-results", 0.0)
    twin = nights.copy(tmp_path / "twin")
    for place in (home, twin):
        pipeline.JOB.run([*nights.day(place), "--run-id", "night"])
    assert nights.results(home) == nights.results(twin)
    assert {status for status, _ in runs(home, "night").values()} == {"done"}


def test_parameters_of_all_stages_are_taken_and_reach_them(
    home: Path, run: Callable[..., Figures], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def recorded(job: Job[Any], _context: object, given: Any) -> Figures:
        seen[job.name] = given
        return {"run_id": "x"}

    whole = Job.recorded

    def one(job: Job[Any], context: Any, given: Any, **_: bool) -> Any:
        return whole(job, context, given) if job is pipeline.JOB else recorded(job, context, given)

    monkeypatch.setattr(Job, "recorded", one)
    run("--source", "x.csv", "--schema", "s.yml", "--batch-rows", "7", "--psi", "0.5", "--no-cascade", "--run-id", "r7")
    assert list(seen) == STAGES
    assert {given.run_id for given in seen.values()} == {"r7"}
    assert str(seen["ingest-source-entities"].schema_file) == "s.yml"
    assert seen["exact-match"].batch_rows == seen["score-candidates"].batch_rows == 7
    assert seen["score-candidates"].no_cascade
    assert seen["generate-metrics"].psi == 0.5
    with pytest.raises(EntityMatchingError, match="--psi"):
        run("--psi", "none")
