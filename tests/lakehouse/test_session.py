from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entity_matching.errors import EntityMatchingError, OptionalDependencyError
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, REVIEW_QUEUE
from entity_matching.lakehouse.writes import merge

if TYPE_CHECKING:
    from tests.lakehouse.conftest import Decisions

pytestmark = pytest.mark.spark

OPEN = """
import subprocess, sys
from pathlib import Path
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import TABLES
settings = LakehouseSettings(home=Path(sys.argv[1]))
"""
PROGRAMS = {
    "usual": """
with open_lakehouse(settings) as lake:
    lake.create()
    lake.check()
    assert lake.read(TABLES[0]).count() == 0
    lake.frame(lake.read(TABLES[0]).toArrow()).collect()
    subprocess.run(["true"], check=True)
with open_lakehouse(settings) as lake:
    lake.check()
""",
    "error of the program": """
try:
    with open_lakehouse(settings) as lake:
        lake.create()
        raise KeyError("x")
except KeyError:
    pass
""",
    "error of Spark": """
from entity_matching.errors import EntityMatchingError
try:
    with open_lakehouse(settings) as lake:
        lake.create()
        lake.sql("SELECT nonsense FROM gold.matched_entities").collect()
except EntityMatchingError:
    pass
""",
    "never closed": """
opened = open_lakehouse(settings)
lake = opened.__enter__()
lake.create()
""",
    "ended within": """
with open_lakehouse(settings) as lake:
    lake.create()
    sys.exit(0)
""",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_written_to_the_terminal(program: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("RUST_LOG", "GRPC_VERBOSITY")}
    command = [sys.executable, "-W", "default", "-c", OPEN + PROGRAMS[program], str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("catalog", ["a-b", "o'neil`s", "dürr\"日本'x`", "1", "{x}, [y]"])
def test_any_name_that_unity_catalog_allows_works(catalog: str, tmp_path: Path, decisions: Decisions) -> None:
    catalog = catalog.replace(" ", "")
    settings = LakehouseSettings(catalog=catalog, home=tmp_path)
    with open_lakehouse(settings) as lake:
        lake.create()
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1", "2")))
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("2", "3")))
    with open_lakehouse(settings) as lake:
        lake.check()
        assert lake.read(MATCHED_ENTITIES).count() == 3
        assert lake.read(REVIEW_QUEUE).count() == 0
        assert lake.sql("SELECT * FROM gold.matched_entities").count() == 3


@pytest.mark.parametrize("home", ["with space", "dürr's 日本 100%"])
def test_any_home_works(home: str, tmp_path: Path, decisions: Decisions) -> None:
    settings = LakehouseSettings(home=tmp_path / home)
    with open_lakehouse(settings) as lake:
        lake.create()
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1", "2")))
        before = lake.delta(MATCHED_ENTITIES).version()
        lake.execute("DELETE FROM gold.matched_entities WHERE source_id = '1'")
    assert (settings.warehouse / "gold" / "matched_entities" / "_delta_log").is_dir()
    with open_lakehouse(settings) as lake:
        assert lake.read(MATCHED_ENTITIES).count() == 1
        assert lake.sql(f"SELECT * FROM gold.matched_entities VERSION AS OF {before}").count() == 2


def test_lakehouses_of_one_process_do_not_meet(tmp_path: Path, decisions: Decisions) -> None:
    environment = {name: value for name, value in os.environ.items() if name.startswith("SAIL")}
    first, second = (LakehouseSettings(catalog=name, home=tmp_path / name) for name in ("one", "two"))
    with open_lakehouse(first) as lake:
        lake.create()
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1")))
        with open_lakehouse(second) as other:
            other.create()
            assert other.read(MATCHED_ENTITIES).count() == 0
        assert lake.read(MATCHED_ENTITIES).count() == 1
    with open_lakehouse(second) as other:
        assert other.read(MATCHED_ENTITIES).count() == 0
        with pytest.raises(Exception, match="not found"):
            other.sql("SELECT * FROM one.gold.matched_entities").collect()
    assert {name: value for name, value in os.environ.items() if name.startswith("SAIL")} == environment


def test_every_version_can_be_read_however_many_there_are(tmp_path: Path) -> None:
    settings = LakehouseSettings(home=tmp_path)
    with open_lakehouse(settings) as lake:
        lake.create()
        for number in range(1, 13):  # after ten Sail writes a checkpoint
            lake.execute(f"INSERT INTO gold.pipeline_metrics VALUES ('r', 's', 'm', '{number}', 1.0, now())")
    with open_lakehouse(settings) as lake:
        query = "SELECT * FROM gold.pipeline_metrics VERSION AS OF"
        assert [lake.sql(f"{query} {number}").count() for number in range(13)] == list(range(13))


def test_a_query_sees_the_frame_it_was_given(tmp_path: Path, decisions: Decisions) -> None:
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        queries = [
            lake.sql("SELECT source_id FROM {rows}", rows=lake.frame(decisions(key))) for key in ("first", "second")
        ]
        assert [query.collect()[0][0] for query in queries] == ["first", "second"]


def test_a_large_table_goes_through_a_file_that_does_not_stay(
    tmp_path: Path, decisions: Decisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entity_matching.lakehouse.catalog.LARGEST_MESSAGE", 100)
    table = decisions("1", "2")
    with open_lakehouse(LakehouseSettings(home=tmp_path / "a home")) as lake:
        lake.create()
        merge(lake, MATCHED_ENTITIES, lake.frame(table))
        assert list((tmp_path / "a home" / "staging").rglob("*.parquet"))
        assert lake.read(MATCHED_ENTITIES).orderBy("source_id").toArrow().to_pylist() == table.to_pylist()
    assert not list((tmp_path / "a home" / "staging").rglob("*.parquet"))


def test_a_wrong_setting_of_sail_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAIL_RUNTIME__STACK_SIZE", "much")
    with (
        pytest.raises(EntityMatchingError, match="does not start.*SAIL_"),
        open_lakehouse(LakehouseSettings(home=tmp_path)),
    ):
        pass


def test_a_missing_package_is_named_with_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysail.spark", None)
    with (
        pytest.raises(OptionalDependencyError, match=r"pysail.*entity-matching\[local\]"),
        open_lakehouse(LakehouseSettings(home=tmp_path)),
    ):
        pass


def test_a_server_that_is_not_there_is_told_at_once_and_without_the_token(tmp_path: Path) -> None:
    settings = LakehouseSettings(home=tmp_path, target="sc://127.0.0.1:9/;token=secret")
    start = time.monotonic()
    with (
        pytest.raises(EntityMatchingError, match="no Spark Connect server at sc://127.0.0.1:9") as caught,
        open_lakehouse(settings),
    ):
        pass
    assert "secret" not in str(caught.value)
    assert time.monotonic() - start < 9  # Spark's own client takes ten minutes


def test_databricks_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import SparkSession  # noqa: PLC0415 - optional

    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)  # another test's may be there
    with (
        pytest.raises(EntityMatchingError, match="there is none here"),
        open_lakehouse(LakehouseSettings(home=tmp_path, target="databricks")),
    ):
        pass
