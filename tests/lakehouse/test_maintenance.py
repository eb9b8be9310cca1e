from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from entity_matching.errors import SettingsError
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.maintenance import Commit, history, maintain
from entity_matching.lakehouse.staging import Staging
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, PIPELINE_METRICS
from entity_matching.lakehouse.writes import merge

if TYPE_CHECKING:
    from tests.lakehouse.conftest import Decisions

pytestmark = pytest.mark.spark

FILES = 5


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Lakehouse]:
    """Return a lakehouse with a table of many small files."""
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        lake.create()
        for number in range(FILES):
            lake.execute(f"INSERT INTO gold.pipeline_metrics VALUES ('r', 's', 'm', '{number}', 1.0, now())")
        yield lake


def _files(lake: Lakehouse) -> set[str]:
    return {path.name for path in Path(lake.location(PIPELINE_METRICS)).glob("*.parquet")}


def _age(lake: Lakehouse, days: int) -> None:
    """Make what a table's log says was removed so many days older."""
    for entry in (Path(lake.location(PIPELINE_METRICS)) / "_delta_log").glob("*.json"):
        text = entry.read_text(encoding="utf-8")
        back = days * 86_400_000
        parts = re.split(r'(?<="deletionTimestamp":)(\d+)', text)
        parts[1::2] = [str(int(stamp) - back) for stamp in parts[1::2]]
        entry.write_text("".join(parts), encoding="utf-8")


def test_small_files_are_put_together_and_every_state_stays_readable(busy: Lakehouse) -> None:
    before = _files(busy)
    (done,) = maintain(busy, [PIPELINE_METRICS])
    assert (done.table, done.compacted, done.written) == ("gold.pipeline_metrics", FILES, 1)
    assert (done.removed, done.removed_bytes) == (0, 0)
    assert before < _files(busy)
    assert busy.read(PIPELINE_METRICS).count() == FILES
    counts = [busy.sql(f"SELECT * FROM gold.pipeline_metrics VERSION AS OF {n}").count() for n in range(FILES + 1)]
    assert counts == list(range(FILES + 1))


def test_files_go_when_no_state_that_is_kept_needs_them(busy: Lakehouse) -> None:
    before = _files(busy)
    sizes = [(Path(busy.location(PIPELINE_METRICS)) / name).stat().st_size for name in before]
    maintain(busy, [PIPELINE_METRICS], retention_days=10)
    _age(busy, 9)
    assert maintain(busy, [PIPELINE_METRICS], retention_days=10)[0].removed == 0
    _age(busy, 2)
    (done,) = maintain(busy, [PIPELINE_METRICS], retention_days=10)
    assert (done.removed, done.removed_bytes) == (FILES, sum(sizes))
    assert not _files(busy) & before
    assert busy.read(PIPELINE_METRICS).count() == FILES


def test_files_that_a_kill_left_go_when_they_are_old(busy: Lakehouse) -> None:
    orphan, young = (Path(busy.location(PIPELINE_METRICS)) / f"part-{name}.parquet" for name in ("old", "young"))
    for path in (orphan, young):
        path.write_bytes(b"half a file")
    long_ago = time.time() - 31 * 86_400
    os.utime(orphan, (long_ago, long_ago))
    (done,) = maintain(busy, [PIPELINE_METRICS])
    assert (done.removed, done.removed_bytes) == (1, len(b"half a file"))
    assert not orphan.exists()
    assert young.exists()


def test_done_again_nothing_is_written(busy: Lakehouse) -> None:
    maintain(busy, [PIPELINE_METRICS])
    before = busy.delta(PIPELINE_METRICS).version()
    (done,) = maintain(busy, [PIPELINE_METRICS])
    assert (done.compacted, done.written, done.removed) == (0, 0, 0)
    assert busy.delta(PIPELINE_METRICS).version() == before


def test_the_time_that_is_kept_is_written_to_the_table(busy: Lakehouse) -> None:
    maintain(busy, [PIPELINE_METRICS], retention_days=90)
    properties = busy.properties(PIPELINE_METRICS)
    kept = {properties[f"delta.{name}"] for name in ("logRetentionDuration", "deletedFileRetentionDuration")}
    assert kept == {"interval 90 days"}


def test_keeping_nothing_is_refused(busy: Lakehouse) -> None:
    with pytest.raises(SettingsError, match="retention_days is 0; at least 1"):
        maintain(busy, retention_days=0)


def test_the_history_tells_versions_times_and_operations(busy: Lakehouse) -> None:
    found = history(busy, PIPELINE_METRICS)
    assert [commit.version for commit in found] == list(range(FILES, -1, -1))
    assert [commit.operation for commit in found] == ["WRITE"] * FILES + ["CREATE TABLE"]
    assert abs((datetime.now(UTC) - found[0].time).total_seconds()) < 300
    assert history(busy, PIPELINE_METRICS, limit=2) == found[:2]


def test_what_was_thought_at_a_time_can_be_asked(busy: Lakehouse, decisions: Decisions) -> None:
    merge(busy, MATCHED_ENTITIES, busy.frame(decisions("1", entity_id="before")))
    merge(busy, MATCHED_ENTITIES, busy.frame(decisions("1", entity_id="after")))
    time_of = {commit.version: commit.time for commit in history(busy, MATCHED_ENTITIES)}
    last = max(time_of)
    asked = "SELECT entity_id FROM gold.matched_entities TIMESTAMP AS OF"
    answers = [busy.sql(f"{asked} '{time_of[version].isoformat()}'").collect()[0][0] for version in (last - 1, last)]
    assert answers == ["before", "after"]


def test_elsewhere_the_platform_does_it() -> None:
    statements: list[str] = []

    def sql(statement: str) -> Any:
        statements.append(statement)
        rows: dict[str, list[Any]] = {
            "OPTIMIZE": [{"metrics": {"numFilesRemoved": 7, "numFilesAdded": 1}}],
            "DESCRIBE": [{"version": 3, "timestamp": datetime(2026, 3, 1, tzinfo=UTC), "operation": "MERGE"}],
        }
        return SimpleNamespace(collect=lambda: rows.get(statement.split(maxsplit=1)[0], []))

    settings = LakehouseSettings(catalog="anna_dev", target="databricks")
    lake = Lakehouse(cast("Any", SimpleNamespace(sql=sql)), settings, Path("unused"), Staging(Path("unused")))
    (done,) = maintain(lake, [PIPELINE_METRICS], retention_days=14)
    assert (done.compacted, done.written, done.removed) == (7, 1, None)
    name = "`anna_dev`.`gold`.`pipeline_metrics`"
    assert statements[-2:] == [f"OPTIMIZE {name}", f"VACUUM {name} RETAIN 336 HOURS"]
    assert "'delta.deletedFileRetentionDuration' = 'interval 14 days'" in statements[-3]
    assert history(lake, PIPELINE_METRICS, limit=1) == [Commit(3, datetime(2026, 3, 1, tzinfo=UTC), "MERGE")]
    assert statements[-1] == f"DESCRIBE HISTORY {name} LIMIT 1"
