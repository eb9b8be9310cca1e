"""Writes that can be repeated: a merge on the key, or a replacement of one run's rows. Each is one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entity_matching.lakehouse.names import literal, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from entity_matching.lakehouse.catalog import Lakehouse
    from entity_matching.lakehouse.layout import Table


def merge(
    lake: Lakehouse, table: Table, rows: DataFrame, *, changed: str | None = "true", complete: bool = False
) -> None:
    """Insert rows whose key is new and update those whose key is there.

    :param rows: the columns of the table, in any order; keys are unique.
    :param changed: condition under which a row that is there is updated; ``t`` is the row that is there, ``s`` the
        one given. ``None``: never.
    :param complete: whether rows that are not given are deleted.
    """
    names = table.column_names
    on = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in table.key)
    values = ", ".join(f"s.{quoted(name)}" for name in names)
    updates = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in names if name not in table.key)
    statement = f"MERGE INTO {lake.name(table)} t USING (SELECT * FROM {{rows}}) s ON {on}"
    if changed is not None:
        statement += f" WHEN MATCHED AND ({changed}) THEN UPDATE SET {updates}"
    statement += f" WHEN NOT MATCHED THEN INSERT ({', '.join(map(quoted, names))}) VALUES ({values})"
    if complete:
        statement += " WHEN NOT MATCHED BY SOURCE THEN DELETE"
    lake.sql(statement, rows=rows.select(*names))


def replace_run(lake: Lakehouse, table: Table, rows: DataFrame, run_id: str) -> None:
    """Put rows in place of what an earlier try of the same run wrote.

    :param rows: the columns of the table, all with this ``run_id``.
    """
    lake.sql(
        f"INSERT INTO {lake.name(table)} REPLACE WHERE run_id = {literal(run_id)} SELECT * FROM {{rows}}",
        rows=rows.select(*table.column_names),
    )
