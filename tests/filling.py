"""Rows put into the tables of a lakehouse on this machine before something is tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.writes import merge


def fill(lake: Lakehouse, table: Table, rows: pa.Table, *, complete: bool = False) -> None:
    """Insert rows whose key is new, and put the others in place of those that are there.

    New rows alone are appended without Spark, whose MERGE takes seven times as long.

    :param complete: whether rows that are not given are deleted.
    """
    import deltalake  # noqa: PLC0415 - optional

    delta = lake.delta(table)
    there, given = (set(zip(*(some[key].to_pylist() for key in table.key), strict=True))
                    for some in (delta.to_pyarrow_table(columns=list(table.key)), rows))  # fmt: skip
    assert len(given) == rows.num_rows, "two rows have one key"
    if there & given or (complete and there):
        merge(lake, table, lake.frame(rows), complete=complete)
    elif given:
        deltalake.write_deltalake(delta, rows.select(list(table.column_names)), mode="append")


def put(lake: Lakehouse, table: Table, *rows: Mapping[str, Any]) -> None:
    """Fill in rows; what is not said of a column is null."""
    types = {field.name: field.type for field in pa.schema(lake.delta(table).schema().to_arrow())}
    columns = {name: pa.array([row.get(name) for row in rows], types[name]) for name in table.column_names}
    fill(lake, table, pa.table(columns))
