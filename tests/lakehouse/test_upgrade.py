from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse, upgrade
from entity_matching.lakehouse.layout import VERSION_PROPERTY, Column, Table
from entity_matching.lakehouse.staging import Staging
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, PIPELINE_METRICS, TABLES, VERSION
from entity_matching.lakehouse.writes import merge

if TYPE_CHECKING:
    from tests.lakehouse.conftest import Decisions

pytestmark = pytest.mark.spark

NEW = (
    Column("steward", "STRING", "Who's asked", since=VERSION + 1),
    Column("votes", "ARRAY<STRUCT<who: STRING, weight: DOUBLE>>", "What they said", since=VERSION + 1),
)
LATER = replace(MATCHED_ENTITIES, columns=(*MATCHED_ENTITIES.columns, *NEW))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of a lakehouse with its tables, to be copied."""
    home = tmp_path_factory.mktemp("empty")
    with open_lakehouse(LakehouseSettings(home=home)) as lake:
        assert lake.create() == [table.full_name for table in TABLES]
    return home


@pytest.fixture
def fresh(empty: Path, tmp_path: Path) -> Iterator[Lakehouse]:
    shutil.copytree(empty, tmp_path / "home")
    with open_lakehouse(LakehouseSettings(home=tmp_path / "home")) as lake:
        yield lake


@pytest.fixture
def next_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this program the one of the next layout."""
    monkeypatch.setattr(upgrade, "VERSION", VERSION + 1)
    monkeypatch.setattr(upgrade, "TABLES", tuple(LATER if table == MATCHED_ENTITIES else table for table in TABLES))


def _commits(lake: Lakehouse) -> list[int]:
    return [lake.delta(table).version() for table in TABLES]


def test_made_twice_the_second_time_nothing_happens(fresh: Lakehouse) -> None:
    before = _commits(fresh)
    assert fresh.create() == []
    assert _commits(fresh) == before


def test_columns_and_comments_are_those_described(fresh: Lakehouse) -> None:
    for table in TABLES:
        fields = fresh.delta(table).schema().fields
        assert [field.name for field in fields] == list(table.column_names)
        assert [field.metadata["comment"] for field in fields] == [column.comment for column in table.columns]
        assert [field.nullable for field in fields] == [column.nullable for column in table.columns]
        assert fresh.version(table) == VERSION


def test_a_missing_table_is_named_and_made_again(fresh: Lakehouse) -> None:
    shutil.rmtree(fresh.location(PIPELINE_METRICS))
    with pytest.raises(EntityMatchingError, match=r"has no table gold.pipeline_metrics.*setup-unity-catalog"):
        fresh.check()


@pytest.mark.parametrize("left", ["nothing", "an empty log"])
def test_a_table_whose_creation_was_killed_is_made(left: str, empty: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(empty, home)
    settings = LakehouseSettings(home=home)
    folder = settings.warehouse / "gold" / "pipeline_metrics"
    shutil.rmtree(folder)
    if left == "an empty log":
        (folder / "_delta_log").mkdir(parents=True)
    with open_lakehouse(settings) as lake:
        assert lake.create() == ["gold.pipeline_metrics"]
        lake.check()
        assert lake.read(PIPELINE_METRICS).count() == 0


def test_checks_that_a_kill_left_out_are_added(empty: Path, tmp_path: Path, decisions: Decisions) -> None:
    home = tmp_path / "home"
    shutil.copytree(empty, home)
    settings = LakehouseSettings(home=home)
    log = settings.warehouse / "gold" / "matched_entities" / "_delta_log"
    for entry in log.iterdir():
        if not entry.name.startswith("00000000000000000000."):  # what came after CREATE TABLE
            entry.unlink()
    with open_lakehouse(settings) as lake:
        with pytest.raises(EntityMatchingError, match="gold.matched_entities without all its checks"):
            lake.check()
        assert lake.create() == []
        lake.check()
        with pytest.raises(EntityMatchingError, match="decision_is_known"):
            merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1", decision="perhaps")))


@pytest.mark.usefixtures("next_layout")
def test_an_older_table_gets_the_new_columns_and_keeps_its_rows(fresh: Lakehouse, decisions: Decisions) -> None:
    merge(fresh, MATCHED_ENTITIES, fresh.frame(decisions("1")))
    with pytest.raises(EntityMatchingError, match="older layout.*setup-unity-catalog"):
        fresh.check()
    assert fresh.create() == []
    fresh.check()
    assert fresh.version(MATCHED_ENTITIES) == VERSION + 1
    row = fresh.read(MATCHED_ENTITIES).collect()[0].asDict()
    assert (row["source_id"], row["steward"], row["votes"]) == ("1", None, None)
    field = fresh.delta(MATCHED_ENTITIES).schema().fields[-2]
    assert (field.name, field.metadata["comment"]) == ("steward", "Who's asked")
    table = decisions("2").append_column("steward", [["anna"]])
    votes = fresh.sql(
        "SELECT *, array(named_struct('who', 'bo', 'weight', 0.5D)) AS votes FROM {t}", t=fresh.frame(table)
    )
    merge(fresh, LATER, votes)
    assert fresh.read(MATCHED_ENTITIES).where("steward = 'anna' AND votes[0].weight = 0.5").count() == 1
    before = _commits(fresh)
    fresh.create()
    assert _commits(fresh) == before


@pytest.mark.usefixtures("next_layout")
def test_a_kill_before_the_version_is_written_down_is_mended(fresh: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(upgrade, "set_properties", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        # every table before it has no new column, so it is the first to be killed at
        killed.setattr(upgrade, "TABLES", (LATER,))
        fresh.create()
    assert "votes" in fresh.read(MATCHED_ENTITIES).columns
    assert fresh.version(MATCHED_ENTITIES) == VERSION
    fresh.create()
    fresh.check()
    assert fresh.read(MATCHED_ENTITIES).columns.count("votes") == 1


def test_tables_of_a_newer_version_are_refused_and_left_alone(fresh: Lakehouse) -> None:
    properties = {VERSION_PROPERTY: str(VERSION + 1)}
    fresh.delta(PIPELINE_METRICS).alter.set_table_properties(properties, raise_if_not_exists=False)
    told = r"gold.pipeline_metrics was written by a newer.*Update"
    with pytest.raises(EntityMatchingError, match=told):
        fresh.check()
    shutil.rmtree(fresh.location(TABLES[0]))  # which create() would make
    with pytest.raises(EntityMatchingError, match=told):
        fresh.create()
    assert not Path(fresh.location(TABLES[0])).exists()


def test_checking_is_quick(fresh: Lakehouse) -> None:
    seconds = []
    for _ in range(3):
        start = time.process_time()
        fresh.check()
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.3


class Recorded:
    """Stands for a server: it keeps the statements, and knows some tables' properties."""

    def __init__(self, properties: dict[str, dict[str, str]], catalogs: tuple[str, ...] = ()) -> None:
        self.statements: list[str] = []
        self.properties, self.catalogs = properties, catalogs
        self.columns = {name: list(table.column_names) for name, table in _by_name().items()}

    def sql(self, statement: str) -> Any:
        rows: list[Any] = []
        if statement.startswith("SHOW TBLPROPERTIES"):
            name = statement.split("`")[3] + "." + statement.split("`")[5]
            if name not in self.properties:
                raise RuntimeError("[TABLE_OR_VIEW_NOT_FOUND] The table or view cannot be found.")
            rows = [{"key": key, "value": value} for key, value in self.properties[name].items()]
        elif statement == "SHOW CATALOGS":
            rows = [(name,) for name in self.catalogs]
        else:
            self.statements.append(statement)
        return SimpleNamespace(collect=lambda: rows)

    def table(self, name: str) -> Any:
        parts = name.split("`")
        return SimpleNamespace(columns=self.columns[f"{parts[3]}.{parts[5]}"])


def _by_name() -> dict[str, Table]:
    return {table.full_name: table for table in TABLES}


def _remote(recorded: Recorded, target: str = "databricks") -> Lakehouse:
    settings = LakehouseSettings(catalog="anna_dev", target=target)
    return Lakehouse(cast("Any", recorded), settings, Path("unused"), Staging(Path("unused")))


def _whole(table: Table, version: int = VERSION) -> dict[str, str]:
    return {VERSION_PROPERTY: str(version), **{f"delta.constraints.{name}": text for name, text in table.checks}}


def test_elsewhere_columns_are_added_by_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded({name: _whole(table) for name, table in _by_name().items()}, ("anna_dev",))
    monkeypatch.setattr(upgrade, "VERSION", VERSION + 1)
    monkeypatch.setattr(upgrade, "TABLES", (LATER,))
    assert _remote(recorded).create() == []
    changes = [statement for statement in recorded.statements if statement.startswith("ALTER")]
    table = "`anna_dev`.`gold`.`matched_entities`"
    assert changes == [
        f"ALTER TABLE {table} ADD COLUMNS (`steward` STRING COMMENT 'Who\\'s asked', "
        "`votes` ARRAY<STRUCT<who: STRING, weight: DOUBLE>> COMMENT 'What they said')",
        f"ALTER TABLE {table} SET TBLPROPERTIES ('{VERSION_PROPERTY}' = '{VERSION + 1}')",
    ]
    assert not any("CREATE CATALOG" in statement for statement in recorded.statements)


def test_elsewhere_everything_is_made_in_the_catalog_with_three_levels() -> None:
    recorded = Recorded({})
    made = _remote(recorded).create()
    assert made == [table.full_name for table in TABLES]
    assert recorded.statements[0] == "CREATE CATALOG IF NOT EXISTS `anna_dev`"
    assert not any("LOCATION" in statement for statement in recorded.statements)
    checks = [statement for statement in recorded.statements if "ADD CONSTRAINT" in statement]
    assert len(checks) == sum(len(table.checks) for table in TABLES)
    (queue,) = [statement for statement in recorded.statements if "`review_queue`" in statement]
    assert "FROM `anna_dev`.`gold`.`matched_entities` m" in queue


def test_elsewhere_what_is_missing_is_found() -> None:
    recorded = Recorded({name: _whole(table) for name, table in _by_name().items() if name != "gold.match_history"})
    with pytest.raises(EntityMatchingError, match="no table gold.match_history"):
        _remote(recorded, "sc://host:1").check()
