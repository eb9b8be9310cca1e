from __future__ import annotations

import numpy as np
import pyarrow as pa

from entity_matching.features import Pairs


def pairs(source: list[int], reference: list[int]) -> Pairs:
    table = pa.table({"v": ["a", "b", "c", "d"], "unread": [1, 2, 3, 4]})
    return Pairs(table, table, np.array(source, dtype=np.int64), np.array(reference, dtype=np.int64))


def test_only_the_rows_that_occur_are_kept_and_the_pairs_stay_the_same() -> None:
    compact = pairs([1, 1, 3], [2, 0, 2]).compact(["v", "lacking"])
    assert compact.sources.column_names == ["v"]
    assert len(compact) == 3
    assert compact.sources["v"].to_pylist() == ["b", "d"]
    assert compact.sources["v"].take(compact.source).to_pylist() == ["b", "b", "d"]
    assert compact.references["v"].take(compact.reference).to_pylist() == ["c", "a", "c"]


def test_each_source_records_pairs_begin_where_the_last_ones_end() -> None:
    assert pairs([0, 0, 2, 3, 3, 3], [0] * 6).group_starts().tolist() == [0, 2, 3, 6]
    assert pairs([], []).group_starts().tolist() == [0]
