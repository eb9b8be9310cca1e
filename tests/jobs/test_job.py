from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.job import LONGEST_MESSAGE, Context, Figures, Job, new_run_id
from entity_matching.jobs.parameters import Parameters
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import PIPELINE_RUNS

pytestmark = pytest.mark.spark

BEGIN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
Work = Callable[[Context, "Given"], Figures]


class Given(Parameters):
    """Parameters of the job under test."""

    share: float = 0.5
    name: str | None = None


def job_of(work: Work, name: str = "do-it") -> Job[Given]:
    return Job(name, "Does it.", Given, work)


def fine(_context: Context, _given: Given) -> Figures:
    return {"rows": 3, "at": Path("/x")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with open_lakehouse(LakehouseSettings(home=folder)) as lake:
        lake.create()
    return folder


@pytest.fixture
def lake(home: Path) -> Iterator[Lakehouse]:
    with open_lakehouse(LakehouseSettings(home=home)) as opened:
        yield opened


def written(lake: Lakehouse, run_id: str) -> dict[str, Any]:
    (row,) = lake.read(PIPELINE_RUNS).where(f"run_id = '{run_id}'").toArrow().to_pylist()
    return dict(row)


def minutes() -> Callable[[], datetime]:
    """Return a clock that goes on by a minute each time it is looked at."""
    ticks = itertools.count()
    return lambda: BEGIN + timedelta(minutes=next(ticks))


def test_a_run_is_written_down_from_its_beginning_to_its_end(lake: Lakehouse) -> None:
    during: list[dict[str, Any]] = []

    def work(context: Context, given: Given) -> Figures:
        during.append(written(context.lake, "r1"))
        return {"share": given.share}

    figures = job_of(work).recorded(Context(lake, "r1", minutes()), Given(name="x"))
    assert figures == {"run_id": "r1", "share": 0.5}
    assert (during[0]["status"], during[0]["finished_at"]) == ("running", None)
    after = written(lake, "r1")
    assert (after["job"], after["status"], after["message"]) == ("do-it", "done", None)
    assert json.loads(after["parameters"]) == {"share": 0.5, "name": "x", "wait": 0.0}
    assert (after["started_at"], after["finished_at"]) == (BEGIN, BEGIN + timedelta(minutes=1))


def test_the_end_of_a_run_can_be_written_with_what_comes_next(lake: Lakehouse) -> None:
    context = Context(lake, "r9", minutes())
    job_of(fine, "first").recorded(context, Given(), last=False)
    assert written(lake, "r9")["status"] == "running"

    def work(context: Context, given: Given) -> Figures:
        rows = context.lake.read(PIPELINE_RUNS).where("run_id = 'r9'").orderBy("job").collect()
        assert [(row["job"], row["status"]) for row in rows] == [("first", "done"), ("second", "running")]
        raise EntityMatchingError("It broke.")

    with pytest.raises(EntityMatchingError, match="It broke"):
        job_of(work, "second").recorded(context, Given(), last=False)
    rows = lake.read(PIPELINE_RUNS).where("run_id = 'r9'").orderBy("job").collect()
    assert [(row["job"], row["status"]) for row in rows] == [("first", "done"), ("second", "failed")]
    assert rows[0]["finished_at"] < rows[1]["started_at"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (EntityMatchingError("It broke.", remedy="Mend it."), "It broke. Mend it."),
        (KeyError("x" * 5_000), repr("x" * 5_000)[:LONGEST_MESSAGE]),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_why_a_run_failed_is_written_down_and_raised(error: BaseException, told: str, lake: Lakehouse) -> None:
    def work(_context: Context, _given: Given) -> Figures:
        raise error

    with pytest.raises(type(error)) as caught:
        job_of(work).recorded(Context(lake, "r2", minutes()), Given())
    assert caught.value is error
    row = written(lake, "r2")
    assert (row["status"], row["message"]) == ("failed", told)
    assert row["finished_at"] > row["started_at"]
    job_of(fine).recorded(Context(lake, "r2", minutes()), Given())
    assert (written(lake, "r2")["status"], written(lake, "r2")["message"]) == ("done", None)


def test_a_failure_that_cannot_be_written_down_is_not_hidden_by_that(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def work(context: Context, _given: Given) -> Figures:
        context.lake.spark.stop()
        raise EntityMatchingError("It broke.")

    with pytest.raises(EntityMatchingError, match="It broke"), caplog.at_level(logging.WARNING):
        job_of(work).run(["--home", str(home), "--run-id", "r3"])
    assert "that the job failed could not be written down" in caplog.text


def test_a_catalog_that_was_not_set_up_stops_a_job_before_its_work(tmp_path: Path) -> None:
    called: list[Context] = []
    job = job_of(lambda context, _: called.append(context) or {})  # type: ignore[func-returns-value]
    with pytest.raises(EntityMatchingError, match="run setup-unity-catalog"):
        job.run(["--home", str(tmp_path)])
    assert not called


def test_a_process_tells_its_figures_as_json_or_its_error_in_one_message(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job_of(fine).main(["--home", str(home), "--run-id", "r4"])
    assert json.loads(capsys.readouterr().out) == {"run_id": "r4", "rows": 3, "at": "/x"}

    def fails(_context: Context, _given: Given) -> Figures:
        raise EntityMatchingError("It broke.", remedy="Mend it.")

    with pytest.raises(SystemExit) as ended:
        job_of(fails).main(["--home", str(home)])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[0].startswith("Error: It broke.")
    assert "Traceback" not in told.err


def test_run_ids_are_distinct_and_sort_by_time() -> None:
    clock = minutes()
    ids = [new_run_id(clock) for _ in range(5)]
    assert ids == sorted(ids)
    assert ids[0].startswith("20260504T030201-")
    assert new_run_id(lambda: BEGIN) != new_run_id(lambda: BEGIN)
