"""What a statement does."""

from __future__ import annotations

import pytest

from entity_matching.cli.statements import READING, verb
from entity_matching.errors import SettingsError


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "  select * from gold.matched_entities;  ",
        "-- what waits\n/* for people; */ select 'DELETE; me' as `insert`",
        "(select 1) union (select 2)",
        "with a as (select 1) select * from a",
        "WITH a AS (SELECT replace(b, 'x', 'y') FROM t) SELECT * FROM a",
        "values (1), (2)",
        "show tables in gold",
        "describe table gold.matched_entities",
        "explain select 1",
        'select "it\'s; drop"',
    ],
)
def test_what_reads(statement: str) -> None:
    assert verb(statement) in READING


@pytest.mark.parametrize(
    "statement",
    [
        "delete from gold.matched_entities",
        "DROP TABLE gold.matched_entities",
        "insert into t values (1)",
        "with a as (select 1) insert into t select * from a",
        "/* select */ update t set a = 1",
        "explain analyze insert into t select 1",
        "(delete from t)",
        "selec 1",
        "123",
        "set spark.x = 1",
        "use catalog x",
    ],
)
def test_what_does_not(statement: str) -> None:
    assert verb(statement) not in READING


def test_the_word_that_counts() -> None:
    assert verb("with a as (select 1) insert into t select * from a") == "INSERT"
    assert verb("-- now\ncreate table t as select 1") == "CREATE"


@pytest.mark.parametrize("statement", ["select 1; drop table t", "select 1;;", "select ';'; select 2"])
def test_one_statement_at_a_time(statement: str) -> None:
    with pytest.raises(SettingsError, match="more than one"):
        verb(statement)


@pytest.mark.parametrize("statement", ["", "  ", "-- only a comment", ";"])
def test_no_statement(statement: str) -> None:
    with pytest.raises(SettingsError, match="no statement"):
        verb(statement)
