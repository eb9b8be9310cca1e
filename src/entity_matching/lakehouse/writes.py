"""Writes that can be repeated: a merge on the key, or a replacement of one run's rows. Each is one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.failures import explained
from entity_matching.lakehouse.names import literal, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from entity_matching.lakehouse.catalog import Lakehouse
    from entity_matching.lakehouse.layout import Table


def merge(
    lake: Lakehouse,
    table: Table,
    rows: DataFrame,
    *,
    changed: str | None = "true",
    complete: bool = False,
    distinct: bool = False,
) -> None:
    """Insert rows whose key is new and update those whose key is there.

    :param rows: the columns of the table, in any order; others are left out.
    :param changed: condition under which a row that is there is updated; ``t`` is the row that is there, ``s`` the
        one given. ``None``: never.
    :param complete: whether rows that are not given are deleted.
    :param distinct: whether the keys of the rows are known to differ. If not, they are counted first, which computes
        the rows twice: ``True`` is for rows that cost much and whose keys cannot repeat.
    :raises EntityMatchingError: if two rows have the same key, a row breaks a check of the table, a column is missing,
        or another process wrote to the table meanwhile; then the table is as it was.
    """
    _check_columns(table, rows)
    names = table.column_names
    if not distinct:
        _check_distinct(lake, table, rows)
    on = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in table.key)
    values = ", ".join(f"s.{quoted(name)}" for name in names)
    updates = ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in names if name not in table.key)
    statement = f"MERGE INTO {lake.name(table)} t USING (SELECT * FROM {{rows}}) s ON {on}"
    if changed is not None:
        statement += f" WHEN MATCHED AND ({changed}) THEN UPDATE SET {updates}"
    statement += f" WHEN NOT MATCHED THEN INSERT ({', '.join(map(quoted, names))}) VALUES ({values})"
    if complete:
        statement += " WHEN NOT MATCHED BY SOURCE THEN DELETE"
    lake.execute(statement, rows=rows.select(*map(quoted, names)))


def replace_run(lake: Lakehouse, table: Table, rows: DataFrame, run_id: str) -> None:
    """Put rows in place of what an earlier try of the same run wrote.

    Keys are not compared: the rows are what one query gives for one run, and it gives each key once.

    :param rows: the columns of the table, in any order, all with this ``run_id``; others are left out.
    :raises EntityMatchingError: as for :func:`merge`.
    """
    _check_columns(table, rows)
    own = f"run_id = {literal(run_id)}"
    complaint = literal(f"rows for {table.full_name} are of another run than {run_id}")
    lake.execute(
        f"INSERT INTO {lake.name(table)} REPLACE WHERE {own}"
        f" SELECT * FROM {{rows}} WHERE assert_true({own}, {complaint}) IS NULL",
        rows=rows.select(*map(quoted, table.column_names)),
    )


def _check_columns(table: Table, rows: DataFrame) -> None:
    missing = [name for name in table.column_names if name not in rows.columns]
    if missing:
        raise EntityMatchingError(f"The rows for {table.full_name} lack the column(s) {', '.join(missing)}.")


def _check_distinct(lake: Lakehouse, table: Table, rows: DataFrame) -> None:
    counted = rows.groupBy(*map(quoted, table.key)).count()
    with explained(lake.settings):
        double = counted.where(counted["count"] > 1).limit(1).collect()
    if double:
        named = ", ".join(f"{key} = {double[0][key]!r}" for key in table.key)
        raise EntityMatchingError(
            f"{double[0]['count']} of the rows for {table.full_name} have the same key ({named}).",
            remedy="Give each key once.",
        )
