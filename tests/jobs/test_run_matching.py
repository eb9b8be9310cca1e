from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.files import read_table, write_table
from entity_matching.jobs import run_matching
from entity_matching.jobs.run_matching import RunMatchingParameters
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.tables import MATCH_HISTORY, MATCHED_ENTITIES
from entity_matching.matcher import Matcher

if TYPE_CHECKING:
    from tests.jobs.conftest import Bronze, Companies, OpenLake, RunContext

pytestmark = pytest.mark.spark

OURS = ["decision", "entity_id", "confidence", "method", "reason", "candidates"]


@pytest.fixture(scope="module")
def source(companies: Companies, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of 40 source records, not in the order of their keys."""
    path = tmp_path_factory.mktemp("source") / "source.csv"
    write_table(companies.source.slice(0, 40).take(pa.array(range(39, -1, -1))), path)
    return path


@pytest.fixture(scope="module")
def lake(open_lake: OpenLake, bronze: Bronze, plain_matcher: Matcher) -> Lakehouse:
    opened = open_lake()
    bronze.example(opened, plain=plain_matcher)
    return opened


@pytest.fixture
def run(lake: Lakehouse, source: Path, run_context: RunContext) -> Any:
    """Do the job; the source is the file unless another is named."""

    def done(output: object, source_table: object = source, **given: Any) -> dict[str, Any]:
        parameters = RunMatchingParameters(source_table=str(source_table), output_table=str(output), **given)
        return dict(run_matching.JOB.recorded(run_context(lake, "adhoc"), parameters))

    return done


@pytest.fixture(scope="module")
def expected(companies: Companies, plain_matcher: Matcher, source: Path) -> pa.Table:
    return plain_matcher.match(read_table(source), companies.reference)


@pytest.mark.parametrize(("partitions", "batch_rows"), [(1, 20_000), (3, 7)])
def test_the_answer_is_the_matchers_in_the_order_of_the_file(
    run: Any, source: Path, expected: pa.Table, tmp_path: Path, partitions: int, batch_rows: int
) -> None:
    figures = run(tmp_path / "out.parquet", partitions=partitions, batch_rows=batch_rows)
    found = pq.read_table(tmp_path / "out.parquet")
    given = read_table(source)
    assert found.column_names == [*given.column_names, *OURS]
    assert found.select(given.column_names).to_pylist() == given.to_pylist()
    assert found.select(OURS).to_pylist() == expected.select(OURS).to_pylist()
    counts = {value: expected["decision"].to_pylist().count(value) for value in expected["decision"].to_pylist()}
    assert figures["records"] == 40
    assert figures["decisions"] == counts
    assert sum(figures["methods"].values()) == counts["match"]
    assert figures["model_version"] == "plain"


def test_a_table_is_written_whole_and_a_second_run_gives_the_same(
    run: Any, lake: Lakehouse, expected: pa.Table
) -> None:
    decided = []
    for _ in range(2):
        run("analysis.answer")
        decided.append(lake.spark.table("analysis.answer").toArrow().sort_by("source_id").to_pylist())
    assert decided[0] == decided[1]
    wanted = expected.sort_by("source_key").to_pylist()
    assert [[row[name] for name in OURS] for row in decided[0]] == [[row[name] for name in OURS] for row in wanted]


def test_only_rows_that_meet_the_condition_are_matched(run: Any, lake: Lakehouse, source: Path) -> None:
    figures = run("analysis.german", filter="country = 'Germany' AND length(company_name) > 3")
    german = [row for row in read_table(source).to_pylist() if row["country"] == "Germany"]
    assert 0 < figures["records"] == len(german) < 40
    assert run("analysis.none", filter="country = 'Mars'")["records"] == 0
    assert lake.spark.table("analysis.none").columns[-6:] == OURS


def test_an_answer_can_be_a_source_and_its_columns_stay(run: Any, lake: Lakehouse) -> None:
    run("analysis.once")
    figures = run("analysis.twice", "entity_matching.analysis.once", filter="decision = 'match'")
    assert figures["records"] == figures["decisions"]["match"]
    names = lake.spark.table("analysis.twice").columns
    assert names[-12:] == OURS + [f"match_{name}" for name in OURS]


def test_the_records_of_bronze_can_be_matched(
    run: Any, lake: Lakehouse, companies: Companies, plain_matcher: Matcher
) -> None:
    figures = run("analysis.bronze", "bronze.source_entities", partitions=2, batch_rows=11)
    assert figures["records"] == 80
    found = lake.spark.table("analysis.bronze").toArrow()
    assert "attributes" in found.column_names
    assert not [name for name in found.column_names if name.startswith("__")]
    wanted = {row["source_key"]: row for row in plain_matcher.match(companies.source, companies.reference).to_pylist()}
    for row in found.to_pylist():
        assert [row[name] for name in OURS] == [wanted[row["source_id"]][name] for name in OURS]


def test_a_folder_becomes_a_delta_table(run: Any, lake: Lakehouse, tmp_path: Path) -> None:
    run(tmp_path / "answer")
    assert lake.spark.read.format("delta").load(str(tmp_path / "answer")).count() == 40
    assert run(tmp_path / "again.csv", tmp_path / "answer")["records"] == 40
    assert json.loads(read_table(tmp_path / "again.csv")["match_candidates"][0].as_py()) is not None


def test_columns_of_other_types_and_odd_names_come_back(run: Any, lake: Lakehouse, tmp_path: Path) -> None:
    table = pa.table(
        {
            "source_id": [7, 8],
            "company_name": ["Siemens AG", "BP plc"],
            "a.b `c`": [1.5, None],
            "day": [dt.date(2026, 1, 2), None],
            "hour": [dt.time(1, 2, 3), None],
            "nothing": pa.nulls(2),
            "Decision": ["x", "y"],
        }
    )
    pq.write_table(table, tmp_path / "odd.parquet")
    run(tmp_path / "out.parquet", tmp_path / "odd.parquet")
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == [*table.column_names, "match_decision", *OURS[1:]]
    assert (
        found.select(["source_id", "a.b `c`", "day", "Decision"]).to_pylist()
        == table.select(["source_id", "a.b `c`", "day", "Decision"]).to_pylist()
    )
    assert found["hour"].to_pylist() == ["01:02:03.000000", None]


def test_gold_is_never_touched(run: Any, lake: Lakehouse) -> None:
    run("analysis.answer")
    assert lake.read(MATCHED_ENTITIES).count() == lake.read(MATCH_HISTORY).count() == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"filter": "nope = 1"}, "'nope = 1' is no condition on .*columns are: source_id, company_name"),
        ({"filter": "country = = 1"}, "'country = = 1' is no condition"),
        ({"filter": "length(country)"}, "is no condition"),
        ({"filter": "country > 5"}, "is no condition"),
        ({"source_key": "nope"}, "no column 'nope', which --source-key names"),
        ({"source_key": "country"}, "column 'country': the key .* is there"),
        ({"source_key": "city"}, "column 'city': the key is empty in"),
        ({"source_table": "analysis.nowhere"}, "no such table"),
        ({"source_table": "nowhere.csv"}, "no such file"),
        ({"model": "nope"}, "no model 'nope'"),
        ({"output": "gold.matched_entities"}, "pipeline's own"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_written(
    run: Any, lake: Lakehouse, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(EntityMatchingError, match=message):
        run(given.pop("output", "analysis.refused"), **given)
    assert not lake.spark.catalog.tableExists("entity_matching.analysis.refused")


def test_the_source_is_not_written_over(run: Any, source: Path, tmp_path: Path) -> None:
    run("analysis.self")
    run(tmp_path / "self")
    for name, output in (
        ("analysis.self", "entity_matching.analysis.SELF"),
        (tmp_path / "self", f"{tmp_path}/x/../self"),
        (source, source),
    ):
        with pytest.raises(EntityMatchingError, match="is also the source"):
            run(output, name)


def test_a_source_with_nothing_to_compare_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("source_id,title\n1,Thing\n")
    with pytest.raises(EntityMatchingError, match="none of the columns that the model compares: company_name"):
        run("analysis.refused", tmp_path / "other.csv")
