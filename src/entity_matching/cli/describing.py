"""``DESCRIBE`` of local tables, which Sail answers with half of it, or not at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.layout import Table, View
from entity_matching.lakehouse.tables import TABLES, VIEWS

if TYPE_CHECKING:
    import pyarrow as pa

    from entity_matching.lakehouse import Lakehouse

_DESCRIBE = re.compile(r"\s*desc(?:ribe)?\s+(?:(?P<history>history)\s+|table\s+)?(?P<name>[\w`.-]+)\s*", re.IGNORECASE)


def described(lake: Lakehouse, statement: str) -> pa.Table | None:
    """Answer ``DESCRIBE name``, the columns of a table or view, and ``DESCRIBE HISTORY name``, a table's versions.

    :return: the answer; ``None`` if the statement is another one.
    :raises EntityMatchingError: if there is no such table.
    """
    found = _DESCRIBE.fullmatch(statement)
    if found is None:
        return None
    name = ".".join(found["name"].replace("`", "").lower().split(".")[-2:])
    table = next((kind for kind in (*TABLES, *VIEWS) if kind.full_name == name), None)
    if not found["history"]:
        return _columns(lake, found["name"], table)
    if not isinstance(table, Table):
        known = ", ".join(table.full_name for table in TABLES)
        raise EntityMatchingError(f"There is no table {name}.", remedy=f"Tables are: {known}.")
    return _history(lake, table)


def _columns(lake: Lakehouse, name: str, table: Table | View | None) -> pa.Table:
    import pyarrow as pa

    comments = {column.name: column.comment for column in table.columns} if table is not None else {}
    fields = lake.spark.table(name).schema.fields
    return pa.table(
        {
            "column": pa.array([field.name for field in fields], pa.string()),
            "type": pa.array([field.dataType.simpleString() for field in fields], pa.string()),
            "comment": pa.array([comments.get(field.name) for field in fields], pa.string()),
        }
    )


def _history(lake: Lakehouse, table: Table) -> pa.Table:
    import pyarrow as pa

    from entity_matching.lakehouse.maintenance import history

    commits = history(lake, table)
    return pa.table(
        {
            "version": pa.array([commit.version for commit in commits], pa.int64()),
            "timestamp": pa.array([commit.time for commit in commits], pa.timestamp("ms", "UTC")),
            "operation": pa.array([commit.operation for commit in commits], pa.string()),
        }
    )
