from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.jobs.batches import regrouped


@given(sizes=st.lists(st.integers(0, 9), max_size=12), rows=st.integers(1, 8))
def test_batches_of_any_size_become_tables_of_one_size(sizes: list[int], rows: int) -> None:
    batches, first = [], 0
    for size in sizes:
        batches.append(pa.record_batch({"n": pa.array(range(first, first + size), pa.int64())}))
        first += size
    tables = list(regrouped(iter(batches), rows))
    assert [value for table in tables for value in table["n"].to_pylist()] == list(range(first))
    assert all(table.num_rows == rows for table in tables[:-1])
    assert all(0 < table.num_rows <= rows for table in tables)


@pytest.mark.parametrize("sizes", [[], [0], [0, 0]])
def test_nothing_gives_nothing(sizes: list[int]) -> None:
    assert list(regrouped((pa.record_batch({"n": pa.array([], pa.int64())}) for _ in sizes), 3)) == []
