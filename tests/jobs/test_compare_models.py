"""Which decisions another version of the model would change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import exact_match
from entity_matching.jobs.compare_models import JOB, CompareModelsParameters, changed_rows
from entity_matching.jobs.exact_match import ExactMatchParameters
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.tables import MODEL_COMPARISONS
from entity_matching.matcher import Matcher

if TYPE_CHECKING:
    from tests.jobs.conftest import Bronze, Companies, OpenLake, RunContext

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def strict_matcher(plain_matcher: Matcher) -> Matcher:
    """Return the matcher accepting nothing by its score: it was never right with what it had not seen."""
    outcomes = replace(plain_matcher.model.outcomes, right=np.zeros_like(plain_matcher.model.outcomes.right))
    model = replace(plain_matcher.model, outcomes=outcomes)
    return Matcher(model).with_target_precision(1.0)


@pytest.fixture(scope="module")
def lake(open_lake: OpenLake, bronze: Bronze, plain_matcher: Matcher, strict_matcher: Matcher) -> Lakehouse:
    opened = open_lake()
    bronze.example(opened, strict=strict_matcher, plain=plain_matcher)
    return opened


@pytest.fixture(scope="module")
def matched(lake: Lakehouse, run_context: RunContext) -> Lakehouse:
    exact_match.JOB.recorded(run_context(lake, "night"), ExactMatchParameters())
    return lake


def compare(lake: Lakehouse, run_context: RunContext, run_id: str, **given: Any) -> dict[str, Any]:
    return dict(JOB.recorded(run_context(lake, run_id), CompareModelsParameters(**given)))


def test_before_anything_was_matched_there_is_nothing_to_compare_on(
    open_lake: OpenLake, bronze: Bronze, plain_matcher: Matcher, run_context: RunContext
) -> None:
    empty = open_lake()
    bronze.example(empty, plain=plain_matcher)
    with pytest.raises(EntityMatchingError, match="No run .* has matched records yet.*run-pipeline"):
        compare(empty, run_context, "c", champion="plain", challenger="plain")


def test_a_model_changes_nothing_against_itself(matched: Lakehouse, run_context: RunContext) -> None:
    figures = compare(matched, run_context, "same", challenger="plain")
    assert (figures["champion"], figures["challenger"], figures["compared_run"]) == ("plain", "plain", "night")
    assert (figures["records"], figures["changed"], figures["changes"]) == (80, 0, {})


def test_decisions_that_would_change_are_counted_and_written_down(
    matched: Lakehouse, run_context: RunContext, companies: Companies, plain_matcher: Matcher, strict_matcher: Matcher
) -> None:
    figures = compare(matched, run_context, "first", challenger="strict", batch_rows=30)
    one, other = (
        {row["source_key"]: row for row in matcher.match(companies.source, companies.reference).to_pylist()}
        for matcher in (plain_matcher, strict_matcher)
    )
    told = ("decision", "entity_id")
    expected = {key for key in one if [one[key][name] for name in told] != [other[key][name] for name in told]}
    assert expected
    rows = matched.read(MODEL_COMPARISONS).where("run_id = 'first'").toArrow().to_pylist()
    assert {row["source_id"] for row in rows} == expected
    assert figures["changed"] == len(expected) == sum(figures["changes"].values())
    for row in rows:
        before, after = one[row["source_id"]], other[row["source_id"]]
        assert (row["champion_decision"], row["challenger_decision"]) == (before["decision"], after["decision"])
        assert row["challenger_entity_id"] == after["entity_id"]
        assert row["champion_confidence"] == pytest.approx(before["confidence"])
        assert (row["champion_version"], row["challenger_version"]) == ("plain", "strict")
    shown = changed_rows(matched, "first", 2)
    assert len(shown) == min(2, len(expected)) and shown[0]["challenger_reason"]
    again = compare(matched, run_context, "first", challenger="strict")
    assert again == figures
    assert matched.read(MODEL_COMPARISONS).where("run_id = 'first'").count() == len(expected)


def test_a_limit_is_said(matched: Lakehouse, run_context: RunContext, caplog: pytest.LogCaptureFixture) -> None:
    assert compare(matched, run_context, "few", challenger="strict", records=5)["records"] == 5
    assert "5 of the 80 records of the run are compared (--records)" in caplog.text


def test_models_that_read_other_columns_are_compared(
    matched: Lakehouse, run_context: RunContext, bronze: Bronze, companies: Companies, plain_matcher: Matcher
) -> None:
    from tests.jobs.conftest import SMALL  # noqa: PLC0415

    from entity_matching.jobs.models import publish, put_in_force  # noqa: PLC0415

    names = [one for one in companies.schema.attributes if one.kind == "name"]
    schema = companies.schema.model_copy(update={"attributes": tuple(names)})
    narrow = Matcher.train(None, companies.reference, schema=schema, settings=replace(SMALL, seed=1))
    publish(matched.settings, narrow, "narrow")
    put_in_force(matched.settings, "plain")
    assert compare(matched, run_context, "narrow", challenger="narrow")["records"] == 80
