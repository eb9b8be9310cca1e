"""Runs killed at each of their writes, and in the middle of some, are repaired by the next run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import models, pipeline, setup_unity_catalog, train_ditto_model
from entity_matching.jobs.state import last_runs
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import EXACT_MATCHES, MATCHED_ENTITIES, SOURCE_ENTITIES, TABLES, TRAINING_PAIRS

if TYPE_CHECKING:
    from tests.jobs.conftest import Nights

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked and killed by signals"),
]

LABELS = Path(__file__).parents[2] / "examples" / "companies" / "labels.csv"
DRIVER = '''
"""Do jobs, each in a process of its own, which does something to itself when it comes to a certain write.

Each line of stdin is a job. Writes are named: the job, the statement and its table, or the file that is put in place.
"""
import json, os, re, resource, signal, sys, threading, time, traceback
from pathlib import Path

import deltalake, lightgbm  # all that takes long, once
from pyspark.sql.connect.session import SparkSession
from pysail.spark import SparkConnectServer
from entity_matching.jobs import pipeline, setup_unity_catalog, train_ditto_model
from entity_matching.jobs.job import Job
from entity_matching.jobs.named import find_job
from entity_matching.lakehouse import Lakehouse

jobs, writes = [], []


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def break_off():
    """Be killed by the system once a file that is written has more than so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (order["bytes"], resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def fill_up():
    """Let the disk take no more: no file more than so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (order["bytes"], resource.RLIM_INFINITY))


def watch():
    """Die as soon as a data file of the table is there, which is before it is committed."""
    folder = Path(order["folder"])
    before = set(folder.glob("*.parquet"))

    def look():
        while set(folder.glob("*.parquet")) == before:
            time.sleep(0.0001)
        die()

    threading.Thread(target=look, daemon=True).start()


def pause():
    """Wait until the file is gone."""
    Path(order["file"]).write_text("")
    while Path(order["file"]).exists():
        time.sleep(0.01)


def wrap(owner, name, named):
    plain = getattr(owner, name)

    def wrapped(self, *given, **more):
        write = named(self, *given)
        if write and jobs:
            write = f"{jobs[-1]} {write}"
            writes.append(write)
            if write == order["at"] and writes.count(write) == order["time"]:
                globals()[order["what"]]()
        return plain(self, *given, **more)

    setattr(owner, name, wrapped)


def statement(_, text, *more):
    kinds = "MERGE INTO|INSERT INTO|DELETE FROM|CREATE TABLE|ALTER TABLE"
    found = re.match(rf"({kinds})[^`]*`[^`]+`\\.`(.+?)`\\.`(.+?)`", text)
    return found and f"{found[1]} {found[2]}.{found[3]}"


def recorded(self, context, given, plain=Job.recorded, **how):
    jobs.append(self.name)
    try:
        return plain(self, context, given, **how)
    finally:
        jobs.pop()


def do(order):
    os.dup2(os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    Job.recorded = recorded
    wrap(SparkSession, "sql", statement)
    for name in ("rename", "replace"):
        wrap(Path, name, lambda path, to, name=name: f"{name} {re.sub('^[0-9a-f]{12,16}$', 'version', Path(to).name)}")
    try:
        find_job(order["job"]).main(order["argv"])
        print(json.dumps({"writes": writes}))
    except SystemExit as end:
        return end.code
    except BaseException:
        traceback.print_exc()
        return 3
    return 0


for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        code = do(order)
        sys.stdout.flush()
        os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
'''


@dataclass(frozen=True)
class Driver:
    """Does jobs in processes of their own; one at a time."""

    process: subprocess.Popen[str]
    output: Path

    def start(self, job: str, argv: list[str], at: str = "", number: int = 1, what: str = "die", **how: Any) -> int:
        """Begin a job that does ``what`` to itself before the write ``at``, for the n-th time; return its process."""
        assert self.process.stdin is not None
        order = {"job": job, "argv": argv, "at": at, "time": number, "what": what, "output": str(self.output), **how}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._read()

    def end(self) -> int:
        """Wait for the job to end, and return its exit code, or the signal it died of, negative."""
        return self._read()

    def kill(self, *given: Any, **how: Any) -> None:
        """Do a job that is killed."""
        self.start(*given, **how)
        code = self.end()
        assert code in (-signal.SIGKILL, -signal.SIGXFSZ), f"{code}: {self.output.read_text()}"

    def writes(self, *given: Any) -> list[str]:
        """Do a job, and return its writes."""
        self.start(*given)
        assert self.end() == 0, self.output.read_text()
        writes: list[str] = json.loads(self.output.read_text().splitlines()[-1])["writes"]
        return writes

    def _read(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.py").write_text(DRIVER, encoding="utf-8")
    command = [sys.executable, str(folder / "driver.py")]
    pipes: dict[str, IO[str] | int] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        yield Driver(process, folder / "output")
        process.kill()


@pytest.fixture(scope="module")
def undisturbed(nights: Nights, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the second night leaves behind that was not killed."""
    home = nights.copy(tmp_path_factory.mktemp("twin") / "home")
    pipeline.JOB.run(nights.day(home))
    return nights.results(home)


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
CHAINS = [[*INGEST[n : n + 1], *MATCHING[n : n + 1], place] for n, place in enumerate(WRITING)]
# a run under its own id finds what its first try left; one under another must not be misled by it
TRIES = [
    *((chain, True) for chain in CHAINS[:4]),
    *(([place], False) for place in WRITING[1:3]),
    *((chain, False) for chain in CHAINS[4:]),
]


def test_nights_are_killed_at_every_write_to_a_table(driver: Driver, nights: Nights, tmp_path: Path) -> None:
    writes = driver.writes("run-pipeline", nights.day(nights.copy(tmp_path / "home")))
    to_tables = {write for write in writes if " INTO " in write or " FROM " in write}
    assert to_tables <= {write for write, _ in (*INGEST, *MATCHING, *WRITING)}


@pytest.mark.parametrize(("places", "same_id"), TRIES)
def test_a_night_killed_again_and_again_between_its_writes_comes_to_the_same_end(
    places: list[Point], same_id: bool, driver: Driver, nights: Nights, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    home = nights.copy(tmp_path / "home")

    def arguments(attempt: int) -> list[str]:
        return [*nights.day(home), "--run-id", "day-2" if same_id else f"day-2-{attempt}"]

    for attempt, (write, number) in enumerate(places):
        driver.kill("run-pipeline", arguments(attempt), write, number)
    pipeline.JOB.run(arguments(len(places)))
    assert _differences(nights.results(home), undisturbed) == []


def test_a_night_killed_within_its_writes_comes_to_the_same_end(
    driver: Driver, nights: Nights, undisturbed: dict[str, Any], tmp_path: Path
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
    assert _differences(nights.results(home), undisturbed) == []


def test_a_set_up_killed_between_and_within_its_writes_is_finished_by_the_next(driver: Driver, tmp_path: Path) -> None:
    home = tmp_path / "home"
    arguments = ["--home", str(home)]
    places: list[tuple[str, dict[str, Any]]] = [
        ("CREATE TABLE bronze.source_entities", {}),
        ("ALTER TABLE bronze.quarantine", {}),
        ("CREATE TABLE silver.exact_matches", {"what": "break_off", "bytes": 500}),
        ("ALTER TABLE gold.matched_entities", {"what": "break_off", "bytes": 200}),
    ]
    for write, how in places:
        driver.kill("setup-unity-catalog", arguments, f"setup-unity-catalog {write}", **how)
        with pytest.raises(EntityMatchingError, match="Set it up, which keeps what is there"):
            pipeline.JOB.run(arguments)
    setup_unity_catalog.JOB.run(arguments)
    with (
        open_lakehouse(LakehouseSettings(home=home)) as mended,
        open_lakehouse(LakehouseSettings(home=tmp_path / "twin")) as twin,
    ):
        mended.check()
        twin.create()
        assert {table: mended.properties(table) for table in TABLES} == {
            table: twin.properties(table) for table in TABLES
        }


def test_a_training_killed_between_its_writes_is_repeated_by_the_next(
    driver: Driver, nights: Nights, tmp_path: Path
) -> None:
    home = nights.copy(tmp_path / "home")
    settings = LakehouseSettings(home=home)
    setup_unity_catalog.JOB.run(["--home", str(home), "--labels", str(LABELS), "--source-system", "crm"])
    (tmp_path / "small.yml").write_text("scorer: {trees: 5, folds: 2, synthetic_records: 20}", encoding="utf-8")
    arguments = ["--home", str(home), "--ditto", "false", "--settings", str(tmp_path / "small.yml")]
    places = {"INSERT INTO silver.training_pairs": "plain", "rename 1": "plain", "replace current": "1"}
    for write, in_force in places.items():
        driver.kill("train-ditto-model", arguments, f"train-ditto-model {write}")
        assert models.model_folder(settings).name == in_force
    trained = train_ditto_model.JOB.run(arguments)
    assert trained["model"] == "1"  # none of the tries is a version of its own
    assert sorted(models.versions(settings)) == ["1", "plain"]
    assert models.model_folder(settings).name == models.current(settings)
    with open_lakehouse(settings) as lake:
        pairs = lake.read(TRAINING_PAIRS)
        assert pairs.count() == pairs.select(*TRAINING_PAIRS.key).distinct().count() > 0
    assert pipeline.JOB.run(["--home", str(home), "--model", "1"])["exact-match"]["model_version"] == "1"


def test_a_second_run_is_refused_or_waits_and_a_killed_one_holds_up_nobody(
    driver: Driver, nights: Nights, tmp_path: Path
) -> None:
    home, stop = nights.copy(tmp_path / "home"), tmp_path / "stop"
    first = ["--home", str(home), "--run-id", "first"]
    process = driver.start("run-pipeline", first, f"score-candidates {RUNS}", 1, "pause", file=str(stop))
    _wait_for(stop)
    command = [str(Path(sys.executable).with_name("entity-matching")), "run", "run-pipeline", "--", "--home", str(home)]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"Another run on the catalog 'entity_matching' is going on (process {process}, since" in _one_line(second)
    assert "--wait SECONDS" in _one_line(second)
    waits = [*command, "--wait", "120", "--run-id", "third"]
    with subprocess.Popen(waits, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as third:
        time.sleep(1)
        assert third.poll() is None
        stop.unlink()
        assert driver.end() == 0
        assert third.wait() == 0
    again = ["--home", str(home), "--run-id", "fourth"]
    fourth = driver.start("run-pipeline", again, f"score-candidates {RUNS}", 1, "pause", file=str(stop))
    _wait_for(stop)
    assert _statuses(home)["fourth"] == "running"
    os.kill(fourth, signal.SIGKILL)
    assert driver.end() == -signal.SIGKILL
    assert _statuses(home) == {"day-1": "done", "first": "done", "third": "done", "fourth": "killed"}
    pipeline.JOB.run(again)
    assert _statuses(home)["fourth"] == "done"


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _statuses(home: Path) -> dict[str, str]:
    with open_lakehouse(LakehouseSettings(home=home)) as lake:
        return {run["run_id"]: run["status"] for run in last_runs(lake, 10)}


def _one_line(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "write",
    [
        "ingest-source-entities MERGE INTO bronze.reference_entities",
        "write-results MERGE INTO gold.matched_entities",
    ],
)
def test_a_disk_that_fills_up_stops_a_night_and_the_next_on_a_good_disk_comes_to_the_same_end(
    write: str, driver: Driver, nights: Nights, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    home = nights.copy(tmp_path / "home")
    arguments = [*nights.day(home), "--run-id", "day-2"]
    driver.start("run-pipeline", arguments, write, what="fill_up", bytes=1_000)
    assert driver.end() == 1
    told = driver.output.read_text()
    assert "cannot take more: File too large. Free some space" in told, told
    assert "Traceback" not in told
    pipeline.JOB.run(arguments)
    assert _differences(nights.results(home), undisturbed) == []


CLOSED = """
import os, sys
from pathlib import Path
from entity_matching.jobs import pipeline
home = Path(sys.argv[2])
for path in (home, *home.rglob("*")):
    path.chmod(0o555 if path.is_dir() else 0o444)
if os.geteuid() == 0:  # whom nothing is closed to
    os.seteuid(65534)
pipeline.JOB.main(sys.argv[1:])
"""


def test_a_home_that_may_only_be_read_is_told(nights: Nights, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        Path(open_to_all).chmod(0o755)
        home = nights.copy(Path(open_to_all) / "home")
        command = [sys.executable, "-c", CLOSED, "--home", str(home)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for path in (home, *home.rglob("*")):
            path.chmod(0o755)
    assert done.returncode == 1
    assert f"{home}" in done.stderr and "Give yourself the right to write there" in _one_line(done)
    assert "Traceback" not in done.stderr
