from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, SCORED_CANDIDATES
from entity_matching.lakehouse.writes import merge, replace_run

if TYPE_CHECKING:
    from tests.lakehouse.conftest import Decisions

pytestmark = pytest.mark.spark


@pytest.fixture(autouse=True)
def _emptied(lake: Lakehouse) -> None:
    lake.execute("DELETE FROM gold.matched_entities")


def rows(lake: Lakehouse, *columns: str) -> list[Any]:
    """Return what gold.matched_entities holds of some columns, in order of the key."""
    found = lake.read(MATCHED_ENTITIES).orderBy("source_id").toArrow().select(list(columns))
    return [tuple(row.values()) for row in found.to_pylist()]


def test_a_merge_adds_new_keys_and_updates_those_there(lake: Lakehouse, decisions: Decisions) -> None:
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1", "2")))
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions("2", "3", entity_id="e9")))
    assert rows(lake, "source_id", "entity_id") == [("1", "e1"), ("2", "e9"), ("3", "e9")]


def test_a_merge_done_again_gives_the_same(lake: Lakehouse, decisions: Decisions) -> None:
    given = decisions("1", "2")
    for _ in range(2):
        merge(lake, MATCHED_ENTITIES, lake.frame(given))
    assert lake.read(MATCHED_ENTITIES).orderBy("source_id").toArrow().to_pylist() == given.to_pylist()


def test_a_merge_updates_only_what_the_condition_says(lake: Lakehouse, decisions: Decisions) -> None:
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1", "2")))
    later = lake.frame(decisions("1", "2", entity_id="e9", content_hash="h1"))
    merge(lake, MATCHED_ENTITIES, later, changed="t.content_hash <> s.content_hash")
    assert rows(lake, "entity_id") == [("e1",), ("e1",)]
    merge(lake, MATCHED_ENTITIES, later, changed=None)
    assert rows(lake, "entity_id") == [("e1",), ("e1",)]


def test_a_complete_merge_deletes_what_is_not_given(lake: Lakehouse, decisions: Decisions) -> None:
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1", "2", "3")))
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions("2")), complete=True)
    assert rows(lake, "source_id") == [("2",)]
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions()), complete=True)
    assert rows(lake, "source_id") == []


def test_merging_nothing_changes_nothing(lake: Lakehouse, decisions: Decisions) -> None:
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1")))
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions()))
    assert rows(lake, "source_id") == [("1",)]


def test_columns_come_in_any_order_and_others_are_left_out(lake: Lakehouse, decisions: Decisions) -> None:
    given = decisions("1").append_column("extra", [["x"]])
    merge(lake, MATCHED_ENTITIES, lake.frame(given.select(sorted(given.column_names, reverse=True))))
    assert lake.read(MATCHED_ENTITIES).toArrow().to_pylist() == decisions("1").to_pylist()


def test_a_missing_column_is_named(lake: Lakehouse, decisions: Decisions) -> None:
    short = lake.frame(decisions("1").drop_columns(["reason", "version"]))
    with pytest.raises(EntityMatchingError, match=r"gold.matched_entities lack the column\(s\) reason, version"):
        merge(lake, MATCHED_ENTITIES, short)


@pytest.mark.parametrize("there", [True, False])
def test_two_rows_of_one_key_are_refused(there: bool, lake: Lakehouse, decisions: Decisions) -> None:
    if there:
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("7")))
    before = rows(lake, "source_id")
    with pytest.raises(EntityMatchingError, match=r"2 of the rows .*same key .*source_id = '7'"):
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("7", "8", "7")))
    assert rows(lake, "source_id") == before


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"decision": "perhaps"}, "breaks the rule 'decision_is_known'.*decision IN"),
        ({"confidence": 1.5}, "breaks the rule 'confidence_is_a_share'"),
        ({"entity_id": None}, "breaks the rule 'match_names_an_entity'"),
        ({"content_hash": None}, "no value in the column 'content_hash'"),
    ],
)
def test_a_row_that_breaks_a_check_is_refused(
    values: dict[str, Any], told: str, lake: Lakehouse, decisions: Decisions
) -> None:
    with pytest.raises(EntityMatchingError, match=told):
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1", **values)))
    assert rows(lake, "source_id") == []


def test_the_rows_of_a_run_are_replaced_and_no_others(lake: Lakehouse, decisions: Decisions) -> None:
    replace_run(lake, MATCHED_ENTITIES, lake.frame(decisions("1", run_id="a")), "a")
    for keys in (("2", "3"), ("3", "4")):
        replace_run(lake, MATCHED_ENTITIES, lake.frame(decisions(*keys, run_id="it's b")), "it's b")
    assert rows(lake, "source_id", "run_id") == [("1", "a"), ("3", "it's b"), ("4", "it's b")]
    replace_run(lake, MATCHED_ENTITIES, lake.frame(decisions()), "it's b")
    assert rows(lake, "source_id") == [("1",)]


def test_rows_of_another_run_are_refused(lake: Lakehouse, decisions: Decisions) -> None:
    replace_run(lake, MATCHED_ENTITIES, lake.frame(decisions("1", run_id="a")), "a")
    with pytest.raises(EntityMatchingError, match="of another run than a"):
        replace_run(lake, MATCHED_ENTITIES, lake.frame(decisions("2", run_id="b")), "a")
    assert rows(lake, "source_id") == [("1",)]


def test_writes_leave_no_views_behind(lake: Lakehouse, decisions: Decisions) -> None:
    merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1")))
    replace_run(lake, MATCHED_ENTITIES, lake.frame(decisions("1", run_id="a")), "a")
    assert not [table for table in lake.spark.catalog.listTables() if table.name.startswith("__rows")]


def test_a_missing_table_is_told(tmp_path: Path, decisions: Decisions) -> None:
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        with pytest.raises(EntityMatchingError, match=r"no table or view .*setup-unity-catalog"):
            merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1")))


def test_a_writer_that_comes_between_is_told_and_nothing_is_lost(tmp_path: Path, decisions: Decisions) -> None:
    settings, told, keys = LakehouseSettings(home=tmp_path), list[str](), list(map(str, range(6)))
    with open_lakehouse(settings) as lake:
        lake.create()
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("shared")))

    def write(key: str, lake: Lakehouse) -> None:
        while True:
            try:
                merge(lake, MATCHED_ENTITIES, lake.frame(decisions("shared", key, entity_id=f"e{key}")))
            except EntityMatchingError as error:
                told.append(str(error))
            else:
                return

    def work(mine: list[str]) -> None:
        with open_lakehouse(settings) as lake:
            barrier.wait()
            for key in mine:
                write(key, lake)

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=work, args=(keys[start::2],)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_lakehouse(settings) as lake:
        assert rows(lake, "source_id") == [(key,) for key in sorted([*keys, "shared"])]
    assert all("at the same time. Nothing of this write was kept. Run it again." in text for text in told)


def test_nested_values_with_nulls_come_back(lake: Lakehouse) -> None:
    names = ", ".join(SCORED_CANDIDATES.column_names)
    one = (
        "SELECT 'n' AS run_id, 's' AS source_system, '1' AS source_id, 'h' AS content_hash, 'review' AS decision,"
        " 'e' AS entity_id, 0.5D AS confidence, 'scored' AS method, 'r' AS reason, array(named_struct('entity_id', 'e',"
        " 'rank', 1, 'search_score', 0.25D, 'feature_score', 0.5D, 'ditto_score', CAST(NULL AS DOUBLE), 'confidence',"
        " 0.5D)) AS candidates, 1 AS asked, 0 AS asked_ditto, CAST(NULL AS STRING) AS reference_version,"
        " CAST(NULL AS STRING) AS model_version, now() AS scored_at"
    )
    replace_run(lake, SCORED_CANDIDATES, lake.sql(f"SELECT {names} FROM ({one})"), "n")
    (candidate,) = lake.read(SCORED_CANDIDATES).toArrow()["candidates"][0].as_py()
    assert candidate == {
        "entity_id": "e", "rank": 1, "search_score": 0.25, "feature_score": 0.5, "ditto_score": None, "confidence": 0.5,
    }  # fmt: skip
