"""``entity-matching sql``."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.lock import exclusive_run
from entity_matching.lakehouse.tables import SOURCE_ENTITIES
from entity_matching.lakehouse.writes import merge

pytestmark = pytest.mark.spark

Command = Callable[..., Any]
ROWS = 120


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose catalog has some source records."""
    folder = tmp_path_factory.mktemp("home")
    keys = [f"S{number:03}" for number in range(ROWS)]
    with open_lakehouse(LakehouseSettings(home=folder)) as lake:
        lake.create()
        attributes = [[("name", f'Company "{key}", Ltd [bold]'), ("city", None)] for key in keys]
        merge(lake, SOURCE_ENTITIES, lake.frame(pa.table({
            "source_system": ["crm"] * ROWS, "source_id": keys,
            "attributes": pa.array(attributes, pa.map_(pa.string(), pa.string())),
            "content_hash": keys, "row_hash": keys, "run_id": ["r1"] * ROWS,
            "ingested_at": pa.array([datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)] * ROWS, pa.timestamp("us", "UTC")),
        })))  # fmt: skip
    return folder


@pytest.fixture
def ask(command: Command, home: Path) -> Command:
    return lambda *arguments: command("sql", *arguments, "--home", home)


def test_a_table_for_people(ask: Command) -> None:
    done = ask("SELECT source_id, 1 + 1 AS two FROM bronze.source_entities ORDER BY source_id LIMIT 2;")
    assert done.code == 0
    assert "S000" in done.out and "two" in done.out and "2 rows" in done.out


def test_a_table_that_an_ad_hoc_run_wrote_is_found(ask: Command, home: Path) -> None:
    folder = home / "warehouse" / "entity_matching" / "gold" / "adhoc_matches"
    deltalake.write_deltalake(folder, pa.table({"source_id": ["S1", "S2"]}))
    try:
        assert ask("SELECT count(*) AS n FROM gold.adhoc_matches", "--csv").out.split() == ["n", "2"]
        assert "source_id" in ask("DESCRIBE gold.adhoc_matches").out
    finally:
        shutil.rmtree(folder)


def test_wide_rows_are_printed_one_below_the_other(ask: Command) -> None:
    done = ask(
        "SELECT *, 1 AS some_other_column, 2 AS yet_another_one FROM bronze.source_entities ORDER BY source_id LIMIT 1"
    )
    lines = [line.split(maxsplit=1) for line in done.out.splitlines()]
    assert ["source_id", "S000"] in lines
    assert ["attributes", '{"name": "Company \\"S000\\", Ltd [bold]", "city": null}'] in lines


def test_long_texts_are_broken_and_figures_rounded(ask: Command) -> None:
    long = " ".join(["word"] * 30)
    done = ask(f"SELECT 1 / 3 AS share, '{long}' AS text, timestamp'2026-01-02 03:04:05' AS time")
    assert "0.333333 " in done.out and "2026-01-02 03:04:05 " in done.out
    assert done.out.count("word") == 30 and max(map(len, done.out.splitlines())) <= 120
    assert "--- 1" not in done.out


def test_a_long_result_is_cut_and_says_so(ask: Command) -> None:
    done = ask("SELECT source_id FROM bronze.source_entities")
    assert "100 rows" in done.out and "more rows than the 100 printed" in done.err
    whole = ask("SELECT source_id FROM bronze.source_entities", "--limit", "0")
    assert f"{ROWS} rows" in whole.out and "more rows" not in whole.err


def test_json_is_whole_and_nothing_else(ask: Command) -> None:
    done = ask("SELECT source_id, attributes, ingested_at, CAST('NaN' AS DOUBLE) AS odd FROM bronze.source_entities"
               " ORDER BY source_id", "--json")  # fmt: skip
    told = json.loads(done.out)
    assert told["columns"] == ["source_id", "attributes", "ingested_at", "odd"]
    assert len(told["rows"]) == ROWS and told["cut"] is False
    assert told["rows"][0]["attributes"] == {"name": 'Company "S000", Ltd [bold]', "city": None}
    assert told["rows"][0]["ingested_at"].startswith("2026-01-02 03:04:05")
    assert told["rows"][0]["odd"] is None
    assert json.loads(ask("SELECT source_id FROM bronze.source_entities", "--json", "--limit", "3").out)["cut"] is True


def test_csv_reads_back(ask: Command) -> None:
    done = ask("SELECT source_id, attributes['name'] AS name, attributes['city'] AS city, true AS yes, 0.5D AS half"
               " FROM bronze.source_entities ORDER BY source_id", "--csv")  # fmt: skip
    rows = list(csv.reader(io.StringIO(done.out)))
    assert rows[0] == ["source_id", "name", "city", "yes", "half"]
    assert rows[1] == ["S000", 'Company "S000", Ltd [bold]', "", "true", "0.5"]
    assert len(rows) == 1 + ROWS


def test_what_writes_is_refused_unless_it_is_meant(ask: Command, home: Path) -> None:
    statement = (
        "INSERT INTO gold.review_decisions VALUES ('crm', 'S001', 'no_match', null, 'ann', null, current_timestamp())"
    )
    done = ask(statement)
    assert done.code == 2 and "--write" in done.err
    count = "SELECT count(*) AS n FROM gold.review_decisions"
    assert json.loads(ask(count, "--json").out)["rows"] == [{"n": 0}]
    with exclusive_run(LakehouseSettings(home=home)):
        blocked = ask(statement, "--write")
    assert blocked.code == 1 and "Another run" in blocked.err
    assert ask(statement, "--write").code == 0
    assert json.loads(ask(count, "--json").out)["rows"] == [{"n": 1}]


def test_tables_are_listed_and_described(ask: Command) -> None:
    listed = json.loads(ask("SHOW TABLES IN gold", "--json").out)["rows"]
    assert {"matched_entities", "review_queue"} <= {row["tableName"] for row in listed}
    for statement in ("DESCRIBE gold.matched_entities", "describe table gold.matched_entities"):
        described = json.loads(ask(statement, "--json").out)["rows"]
        assert {"column": "decision", "type": "string", "comment": "match, review or no_match"} in described
    view = json.loads(ask("DESCRIBE gold.review_queue", "--json").out)["rows"]
    assert {"doubt": "double"}.items() <= {row["column"]: row["type"] for row in view}.items()
    assert all(row["comment"] for row in view)


def test_the_history_of_a_table(ask: Command) -> None:
    versions = json.loads(ask("DESCRIBE HISTORY bronze.source_entities", "--json").out)["rows"]
    assert versions[-1]["version"] == 0 and versions[0]["version"] == len(versions) - 1 >= 1
    then = ask("SELECT count(*) AS n FROM bronze.source_entities VERSION AS OF 0", "--json")
    assert json.loads(then.out)["rows"] == [{"n": 0}]
    assert "Tables are: bronze.reference_entities" in ask("DESCRIBE HISTORY gold.nonsense").err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["SELECT * FROM gold.nonsense"], 1, "nonsense"),
        (["SELECT nonsense FROM gold.matched_entities"], 1, "nonsense"),
        (["WITH a AS (SELECT 1) SELEC"], 1, "Error"),
        (["SELECT 1 AS a, 2 AS a", "--json"], 1, "Two columns of the result are named 'a'"),
        (["SELECT 1", "--json", "--csv"], 2, "choose one"),
        (["DROP TABLE gold.match_history", "--write"], 1, "DROP would not outlast this command"),
        (["CREATE TABLE gold.mine AS SELECT 1 AS a", "--write"], 1, "setup-unity-catalog"),
        (["SELECT 1; SELECT 2"], 1, "more than one statement"),
        (["SELECT 1", "--limit", "-1"], 2, "limit"),
        (["SELECT 1", "--catalog", "other"], 1, "no catalog 'other'"),
        (["SELECT 1", "--target", "nonsense"], 1, "nonsense"),
    ],
)
def test_errors_say_what_is_wrong(ask: Command, arguments: list[str], code: int, message: str) -> None:
    done = ask(*arguments)
    assert done.code == code
    assert message in " ".join(done.err.split()) and "Traceback" not in done.err
    assert done.out == ""


RUN = "from entity_matching.cli.main import run; run()"


def test_a_reader_that_has_enough_ends_it_quietly(home: Path) -> None:
    query = "SELECT id, uuid() AS u FROM range(200000)"
    arguments = [sys.executable, "-c", RUN, "sql", query, "--csv", "--home", str(home)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "id,u\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=20)


ENDLESS = """
import entity_matching.cli.describing as describing
from entity_matching.cli.main import run
def asked(lake, statement):
    print("ready", flush=True)
describing.described = asked
run()
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_query_that_goes_on_is_left_at_once(home: Path, sent: signal.Signals, code: int) -> None:
    query = "SELECT id FROM range(3000000000)"  # it is sent on and on, and Sail hears nothing meanwhile
    arguments = [sys.executable, "-c", ENDLESS, "sql", query, "--csv", "--home", str(home)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    process.send_signal(sent)
    out, err = process.communicate(timeout=30)  # Python would wait for minutes
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err and ("Interrupted" in err) == (sent == signal.SIGINT)


def test_without_a_catalog_it_says_how_to_set_one_up(command: Command, tmp_path: Path) -> None:
    done = command("sql", "SELECT 1", "--home", tmp_path / "nothing")
    assert done.code == 1
    assert "entity-matching run setup-unity-catalog" in done.err
    assert not (tmp_path / "nothing").exists()
