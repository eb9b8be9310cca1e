"""What a table is: columns with comments, a key, checks; and the SQL that makes it."""

from __future__ import annotations

from dataclasses import dataclass

from entity_matching.lakehouse.names import literal, quoted

VERSION_PROPERTY = "entity_matching.schema_version"
"""Table property that holds the version of the layout a table was made by."""


@dataclass(frozen=True)
class Column:
    """One column. ``type`` is Spark SQL's. ``since``: version of the layout that brought it; then it is nullable."""

    name: str
    type: str
    comment: str
    nullable: bool = True
    since: int = 1

    @property
    def sql(self) -> str:
        """The column in ``CREATE TABLE``."""
        required = "" if self.nullable else " NOT NULL"
        return f"{quoted(self.name)} {self.type}{required} COMMENT {literal(self.comment)}"


@dataclass(frozen=True)
class Table:
    """One table. ``key``: columns that together are unique. ``checks``: name and condition every row meets."""

    schema: str
    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    checks: tuple[tuple[str, str], ...] = ()

    @property
    def full_name(self) -> str:
        """Schema and name, for people: ``gold.matched_entities``."""
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def create_sql(self, catalog: str, version: int, location: str | None = None) -> str:
        """Return the statement that makes the table, if it is not there."""
        columns = ", ".join(column.sql for column in self.columns)
        where = "" if location is None else f" LOCATION {literal(location)}"
        return (
            f"CREATE TABLE IF NOT EXISTS {quoted(catalog, self.schema, self.name)} ({columns}) USING DELTA"
            f" COMMENT {literal(self.comment)}{where} TBLPROPERTIES ({literal(VERSION_PROPERTY)} = '{version}')"
        )


@dataclass(frozen=True)
class View:
    """One view. ``sql`` names tables by schema and name, within the catalog; ``columns`` are what it gives."""

    schema: str
    name: str
    comment: str
    sql: str
    columns: tuple[Column, ...] = ()

    @property
    def full_name(self) -> str:
        """Schema and name, for people."""
        return f"{self.schema}.{self.name}"
