"""Tables made, mended and brought forward to the present layout."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.layout import VERSION_PROPERTY, Column, Table
from entity_matching.lakehouse.names import literal, quoted
from entity_matching.lakehouse.settings import DATABRICKS
from entity_matching.lakehouse.tables import SCHEMAS, TABLES, VERSION

if TYPE_CHECKING:
    from entity_matching.lakehouse.catalog import Lakehouse

log = logging.getLogger(__name__)

CONSTRAINT = "delta.constraints."
"""What the name of the property of a check begins with."""
AT_ONCE = 8
"""Questions that a server is asked at the same time."""
_ABSENT = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "Table or view not found")

Properties = Mapping[str, str]


def create_tables(lake: Lakehouse) -> list[str]:
    """Make, mend and bring forward every table.

    :return: the tables that were made, as ``schema.table``.
    :raises EntityMatchingError: if a table was made by a newer version; then nothing is changed.
    """
    _create_catalog(lake)
    for schema, comment in SCHEMAS.items():
        lake.spark.sql(
            f"CREATE SCHEMA IF NOT EXISTS {quoted(lake.settings.catalog, schema)} COMMENT {literal(comment)}"
        )
    states = _states(lake)
    for table, properties in states.items():
        _refuse_newer(table, properties)
    for table, properties in states.items():
        if properties is None:
            location = lake.location(table) if lake.is_local else None
            lake.spark.sql(table.create_sql(lake.settings.catalog, VERSION, location))
        else:
            _bring_forward(lake, table, properties)
        _add_checks(lake, table, properties or {})
    return [table.full_name for table, properties in states.items() if properties is None]


def check_tables(lake: Lakehouse) -> None:
    """Check that every table is there, whole, and of this version.

    :raises EntityMatchingError: if one is not.
    """
    for table, properties in _states(lake).items():
        _refuse_newer(table, properties)
        if properties is None:
            wrong = f"has no table {table.full_name}"
        elif _version(properties) < VERSION:
            wrong = f"has the table {table.full_name} in an older layout ({_version(properties)}; this is {VERSION})"
        elif _missing_checks(table, properties):
            wrong = f"has the table {table.full_name} without all its checks"
        else:
            continue
        raise EntityMatchingError(
            f"The catalog '{lake.settings.catalog}' {wrong}.",
            remedy="Set it up, which keeps what is there: entity-matching run setup-unity-catalog",
        )


def _states(lake: Lakehouse) -> dict[Table, Properties | None]:
    """Return the properties of each table; ``None`` if it is not there."""
    if lake.is_local:
        return {table: lake.properties(table) if lake.on_disk(table) else None for table in TABLES}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(TABLES, pool.map(lambda table: _remote_properties(lake, table), TABLES), strict=True))


def _remote_properties(lake: Lakehouse, table: Table) -> Properties | None:
    try:
        return lake.properties(table)
    except Exception as error:
        if any(word in str(error) for word in _ABSENT):
            return None
        raise


def _version(properties: Properties) -> int:
    return int(properties.get(VERSION_PROPERTY, "1"))


def _refuse_newer(table: Table, properties: Properties | None) -> None:
    version = VERSION if properties is None else _version(properties)
    if version > VERSION:
        raise EntityMatchingError(
            f"The table {table.full_name} was written by a newer version of entity-matching (layout {version}; this "
            f"one knows {VERSION}).",
            remedy="Update entity-matching, or name another catalog or home.",
        )


def _create_catalog(lake: Lakehouse) -> None:
    if lake.settings.target != DATABRICKS:
        return  # Sail's is there; other servers have theirs configured
    there = {str(row[0]).lower() for row in lake.spark.sql("SHOW CATALOGS").collect()}
    if lake.settings.catalog not in there:  # asking first: who may use a catalog may not be allowed to make one
        lake.spark.sql(f"CREATE CATALOG IF NOT EXISTS {quoted(lake.settings.catalog)}")


def _bring_forward(lake: Lakehouse, table: Table, properties: Properties) -> None:
    """Add the columns a table lacks, then write down the version, so that a kill in between is mended next time."""
    version = _version(properties)
    if version == VERSION:
        return
    there = _column_names(lake, table)
    new = [column for column in table.columns if column.name not in there]
    if new:
        log.info("%s: adding %s", table.full_name, ", ".join(column.name for column in new))
        _add_columns(lake, table, new)
    set_properties(lake, table, {VERSION_PROPERTY: str(VERSION)})


def _column_names(lake: Lakehouse, table: Table) -> set[str]:
    if lake.is_local:
        return {field.name for field in lake.delta(table).schema().fields}
    return set(lake.read(table).columns)


def _add_columns(lake: Lakehouse, table: Table, new: list[Column]) -> None:
    if not lake.is_local:
        columns = ", ".join(column.sql for column in new)
        lake.spark.sql(f"ALTER TABLE {lake.name(table)} ADD COLUMNS ({columns})")
        return
    from deltalake import Field  # noqa: PLC0415 - optional
    from pyspark.sql.types import DataType  # noqa: PLC0415 - optional

    lake.delta(table).alter.add_columns(
        [
            Field.from_json(
                json.dumps(
                    {
                        "name": column.name,
                        "type": json.loads(DataType.fromDDL(column.type).json()),
                        "nullable": column.nullable,
                        "metadata": {"comment": column.comment},
                    }
                )
            )
            for column in new
        ]
    )


def set_properties(lake: Lakehouse, table: Table, properties: Properties) -> None:
    """Set properties of a table."""
    if lake.is_local:
        lake.delta(table).alter.set_table_properties(dict(properties), raise_if_not_exists=False)
        return
    pairs = ", ".join(f"{literal(name)} = {literal(value)}" for name, value in properties.items())
    lake.spark.sql(f"ALTER TABLE {lake.name(table)} SET TBLPROPERTIES ({pairs})")


def _missing_checks(table: Table, properties: Properties) -> list[tuple[str, str]]:
    there = {name.lower() for name in properties}
    return [check for check in table.checks if f"{CONSTRAINT}{check[0]}" not in there]


def _add_checks(lake: Lakehouse, table: Table, properties: Properties) -> None:
    for name, condition in _missing_checks(table, properties):
        lake.spark.sql(f"ALTER TABLE {lake.name(table)} ADD CONSTRAINT {quoted(name)} CHECK ({condition})")
