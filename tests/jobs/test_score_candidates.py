"""Scoring over tables gives the answers of the matcher in memory, whatever the partitions and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from entity_matching.errors import ArtifactError, EntityMatchingError
from entity_matching.jobs import exact_match, score_candidates
from entity_matching.jobs.exact_match import ExactMatchParameters
from entity_matching.jobs.references import reference_folder
from entity_matching.jobs.score_candidates import ScoreCandidatesParameters
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import SCORED_CANDIDATES
from entity_matching.matcher import Matcher
from entity_matching.matcher.result import RESULT

if TYPE_CHECKING:
    from tests.jobs.conftest import Bronze, Companies, OpenLake, RunContext

pytestmark = pytest.mark.spark


def _run(lake: Lakehouse, context: RunContext, run_id: str, model: str | None = None, **given: Any) -> dict[str, Any]:
    """Do both stages; returns the figures of the second."""
    exact_match.JOB.recorded(context(lake, run_id), ExactMatchParameters(model=model, full=True))
    return dict(score_candidates.JOB.recorded(context(lake, run_id), ScoreCandidatesParameters(**given)))


def _answer(lake: Lakehouse, run_id: str) -> pa.Table:
    """Return what both stages of a run decided, in the form that the matcher answers in."""
    run = literal(run_id)
    rows = lake.spark.sql(
        "SELECT source_id AS source_key, 'match' AS decision, entity_id, confidence, method, reason,"
        " array(named_struct('entity_id', entity_id, 'confidence', confidence)) AS candidates"
        f" FROM silver.exact_matches WHERE run_id = {run} AND entity_id IS NOT NULL UNION ALL"
        " SELECT source_id, decision, entity_id, confidence, method, reason,"
        " transform(candidates, c -> named_struct('entity_id', c.entity_id, 'confidence', c.confidence))"
        f" FROM silver.scored_candidates WHERE run_id = {run}"
    )
    return rows.toArrow().cast(RESULT).sort_by("source_key").combine_chunks()


@pytest.mark.parametrize(("partitions", "batch_rows"), [(1, 20_000), (3, 7), (1, 1)])
@pytest.mark.parametrize("model", ["plain", "deep"])
def test_the_answers_are_those_of_the_matcher(
    lake: Lakehouse, companies: Companies, plain_matcher: Matcher, deep_matcher: Matcher, run_context: RunContext,
    model: str, partitions: int, batch_rows: int,
) -> None:  # fmt: skip
    matcher = {"plain": plain_matcher, "deep": deep_matcher}[model]
    expected = matcher.match(companies.source, companies.reference).sort_by("source_key").combine_chunks()
    run_id = f"{model}-{partitions}-{batch_rows}"
    figures = _run(lake, run_context, run_id, model, partitions=partitions, batch_rows=batch_rows)
    found = _answer(lake, run_id)
    assert found.num_rows == 80
    assert found.to_pylist() == expected.to_pylist()
    assert figures["model_version"] == model
    assert (figures["candidates_to_ditto"] > 0) == (model == "deep")


def test_every_candidate_can_be_sent_to_ditto(
    lake: Lakehouse, companies: Companies, deep_matcher: Matcher, run_context: RunContext
) -> None:
    figures = _run(lake, run_context, "all", no_cascade=True)
    assert figures["candidates_to_ditto"] == figures["candidates"] > 0
    expected = deep_matcher.without_cascade().match(companies.source, companies.reference)
    assert _answer(lake, "all").to_pylist() == expected.sort_by("source_key").to_pylist()


def test_a_row_tells_what_each_stage_said_of_its_candidates(lake: Lakehouse, run_context: RunContext) -> None:
    figures = _run(lake, run_context, "details")
    rows = lake.read(SCORED_CANDIDATES).where("run_id = 'details'").toArrow().to_pylist()
    assert len(rows) == figures["records"]
    assert sum(row["asked"] for row in rows) == figures["candidates"]
    assert sum(row["asked_ditto"] for row in rows) == figures["candidates_to_ditto"]
    for row in rows:
        assert [candidate["rank"] for candidate in row["candidates"]] == list(range(1, len(row["candidates"]) + 1))
        read = [candidate for candidate in row["candidates"] if candidate["ditto_score"] is not None]
        assert len(read) <= row["asked_ditto"] <= row["asked"]
        assert row["model_version"] == "deep"


def test_records_without_a_column_are_compared_without_it(
    open_lake: OpenLake, bronze: Bronze, companies: Companies, plain_matcher: Matcher, run_context: RunContext
) -> None:
    lake = open_lake()
    bronze.example(lake, plain=plain_matcher)
    bare = companies.source.select(["source_id", "company_name", "country"]).slice(0, 40)
    bronze.source(lake, bare, system="bare")
    _run(lake, run_context, "r", partitions=2, batch_rows=9)
    rows = lake.spark.sql(
        "SELECT source_system, source_id, decision, entity_id, confidence, reason FROM silver.scored_candidates"
    ).toArrow().to_pylist()  # fmt: skip
    for system, table in (("crm", companies.source), ("bare", bare)):
        expected = {row["source_key"]: row for row in plain_matcher.match(table, companies.reference).to_pylist()}
        of_system = [row for row in rows if row["source_system"] == system]
        assert len(of_system) > 10
        for row in of_system:
            same = ("decision", "entity_id", "confidence", "reason")
            assert [row[name] for name in same] == [expected[row["source_id"]][name] for name in same]


def test_a_record_that_changed_meanwhile_is_not_scored(
    open_lake: OpenLake, bronze: Bronze, companies: Companies, plain_matcher: Matcher, run_context: RunContext
) -> None:
    lake = open_lake()
    bronze.example(lake, plain=plain_matcher)
    exact_match.JOB.recorded(run_context(lake, "r"), ExactMatchParameters())
    undecided = lake.spark.sql("SELECT source_id FROM silver.exact_matches WHERE entity_id IS NULL").toArrow()
    key = undecided["source_id"][0].as_py()
    row = next(row for row in companies.source.to_pylist() if row["source_id"] == key)
    bronze.source(lake, pa.Table.from_pylist([row | {"company_name": "Otherwise plc"}]))
    figures = score_candidates.JOB.recorded(run_context(lake, "r"), ScoreCandidatesParameters())
    scored = lake.spark.sql("SELECT source_id FROM silver.scored_candidates").toArrow()["source_id"].to_pylist()
    assert figures["records"] == len(scored) == undecided.num_rows - 1
    assert key not in scored


def test_a_run_without_pending_records_scores_none(
    open_lake: OpenLake, bronze: Bronze, plain_matcher: Matcher, run_context: RunContext
) -> None:
    lake = open_lake()
    bronze.example(lake, plain=plain_matcher)
    lake.spark.sql("DELETE FROM bronze.source_entities")
    exact_match.JOB.recorded(run_context(lake, "r"), ExactMatchParameters())
    figures = score_candidates.JOB.recorded(run_context(lake, "r"), ScoreCandidatesParameters())
    assert (figures["records"], figures["decisions"], figures["candidates"]) == (0, {}, 0)


def test_a_run_that_exact_match_did_not_begin_is_refused(lake: Lakehouse, run_context: RunContext) -> None:
    exact_match.JOB.recorded(run_context(lake, "begun"), ExactMatchParameters())
    with pytest.raises(EntityMatchingError, match="exact-match has not been done in the run 'other'.*--run-id"):
        score_candidates.JOB.recorded(run_context(lake, "other"), ScoreCandidatesParameters())


def test_another_model_than_that_of_the_run_is_refused(lake: Lakehouse, run_context: RunContext) -> None:
    exact_match.JOB.recorded(run_context(lake, "mixed"), ExactMatchParameters(model="deep"))
    with pytest.raises(EntityMatchingError, match="used the model 'deep', not 'plain'"):
        score_candidates.JOB.recorded(run_context(lake, "mixed"), ScoreCandidatesParameters(model="plain"))


def test_a_model_without_ditto_cannot_send_all_to_it(lake: Lakehouse, run_context: RunContext) -> None:
    exact_match.JOB.recorded(run_context(lake, "shallow"), ExactMatchParameters(model="plain"))
    with pytest.raises(ArtifactError, match="needs a model with Ditto"):
        score_candidates.JOB.recorded(run_context(lake, "shallow"), ScoreCandidatesParameters(no_cascade=True))


def test_a_reference_that_is_gone_is_made_again_if_it_can_be(
    open_lake: OpenLake, bronze: Bronze, companies: Companies, plain_matcher: Matcher, run_context: RunContext
) -> None:
    lake = open_lake()
    bronze.example(lake, plain=plain_matcher)
    figures = exact_match.JOB.recorded(run_context(lake, "r"), ExactMatchParameters())
    folder = reference_folder(lake.settings, figures["reference_version"])
    folder.rename(folder.with_name("away"))
    score_candidates.JOB.recorded(run_context(lake, "r"), ScoreCandidatesParameters())
    assert folder.is_dir()
    folder.rename(folder.with_name("further"))
    bronze.reference(lake, companies.reference.slice(0, 100))
    with pytest.raises(EntityMatchingError, match="used, is gone. Run exact-match again"):
        score_candidates.JOB.recorded(run_context(lake, "r"), ScoreCandidatesParameters())
