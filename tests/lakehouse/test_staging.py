from __future__ import annotations

import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from entity_matching.lakehouse.staging import STALE, Staging


def test_what_is_put_there_can_be_read_until_the_end(tmp_path: Path) -> None:
    staging, table = Staging(tmp_path / "staging"), pa.table({"a": [1, 2]})
    first, second = staging.put(table), staging.put(table.slice(1))
    assert pq.read_table(first).equals(table)
    assert pq.read_table(second).num_rows == 1
    staging.clear()
    assert not list((tmp_path / "staging").rglob("*.parquet"))
    assert pq.read_table(staging.put(table)).num_rows == 2


def test_what_a_killed_process_left_is_removed_after_a_week(tmp_path: Path) -> None:
    table = pa.table({"a": [1]})
    old, young = Path(Staging(tmp_path).put(table)), Path(Staging(tmp_path).put(table))
    long_ago = time.time() - STALE - 60
    os.utime(old.parent, (long_ago, long_ago))
    Staging(tmp_path).put(table)
    assert not old.exists()
    assert young.exists()


def test_nothing_is_made_where_nothing_is_put(tmp_path: Path) -> None:
    Staging(tmp_path / "staging").clear()
    assert not (tmp_path / "staging").exists()
