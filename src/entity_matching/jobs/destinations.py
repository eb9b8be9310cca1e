"""Where the answer of an ad-hoc run goes: a table of the catalog, a folder that is a Delta table, or a file.

Each is written whole, in one step, so that a run done again leaves the same.
"""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.errors import InputError, OutputError
from entity_matching.files import check_output, write_table
from entity_matching.files.formats import KNOWN, locate
from entity_matching.files.paths import check_folder
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import check_name, folder_name, literal, quoted
from entity_matching.lakehouse.tables import TABLES, VIEWS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

To = enum.StrEnum("To", {"TABLE": "table", "DELTA": "delta", "FILE": "file"})
To.__doc__ = "What a destination is."

Counts = Counter[tuple[Any, ...]]
"""How many rows have the same values."""
_LEVEL = re.compile(r"`((?:[^`]|``)+)`|([^`.]+)")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+-]*")


@dataclass(frozen=True)
class Destination:
    """Where to write. ``levels``: of a table catalog, schema and name; ``path``: of a folder or file."""

    name: str
    kind: To
    levels: tuple[str, ...] = ()
    path: Path = Path()

    def write(self, lake: Lakehouse, rows: DataFrame, counted: Sequence[str], order: str | None = None) -> Counts:
        """Put rows in place of what is there, and count them by the values of some columns.

        :param order: a column by which the rows of a file are put in order, and which is not written.
        :raises OutputError: if that cannot be done.
        """
        if self.kind is To.FILE:
            table = rows.toArrow()
            write_table(table if order is None else table.sort_by(order).drop_columns(order), self.path)
            return Counter(zip(*(table.column(name).to_pylist() for name in counted), strict=True))
        writer = (rows if order is None else rows.drop(order)).write.format("delta").mode("overwrite")
        folder = table_folder(lake, self.levels) if self.kind is To.TABLE else self.path
        try:
            if self.kind is To.TABLE and not lake.is_local:
                writer.option("overwriteSchema", "true").saveAsTable(quoted(*self.levels))
            else:
                writer.option("overwriteSchema", "true").save(str(folder))
        except Exception as error:  # Spark raises many kinds
            raise OutputError(
                f"{self.name} cannot be written: {str(error).splitlines()[0]}", remedy="Correct it, or name another."
            ) from error
        if self.kind is To.TABLE:
            register(lake, self.levels)
            written = lake.spark.table(quoted(*self.levels))
        else:
            written = lake.spark.read.format("delta").load(str(folder))
        return Counter({tuple(row[:-1]): row[-1] for row in written.groupBy(*map(quoted, counted)).count().collect()})


def find_destination(lake: Lakehouse, given: str) -> Destination:
    """Find what a parameter names.

    :param given: a table as ``schema.table`` or ``catalog.schema.table``; a file by its extension; any other path (it
        has a slash) is a folder.
    :raises OutputError: if it cannot be written to, or holds what only the pipeline may write.
    """
    if "`" not in given and _has_format(given):
        return Destination(given, To.FILE, path=check_output(given).path)
    if "/" in given and "`" not in given:
        return _folder(lake, given)
    levels = table_levels(lake, given)
    if levels is None:
        raise OutputError(
            f"'{given}' is neither a table nor a path to write.",
            remedy=f"Name it schema.table or catalog.schema.table; a file ({KNOWN}); or a folder, with a slash.",
        )
    levels = tuple(check_name(level, "the name") for level in levels)
    if lake.is_local and levels[0] != lake.settings.catalog:
        raise OutputError(
            f"There is no catalog '{levels[0]}' on this machine, only '{lake.settings.catalog}'.",
            remedy="Name the table schema.table.",
        )
    ours = {(lake.settings.catalog, item.schema, item.name) for item in (*TABLES, *VIEWS)}
    if levels in ours:
        raise OutputError(f"{given} is the pipeline's own; nothing else may write it.", remedy="Name another table.")
    return Destination(given, To.TABLE, levels)


def _folder(lake: Lakehouse, given: str) -> Destination:
    path = Path(given).expanduser().absolute()
    check_folder(path)
    if path.resolve().is_relative_to(lake.settings.home.resolve()):
        raise OutputError(
            f"{given} is within {lake.settings.home}, where the pipeline keeps its own.", remedy="Name another folder."
        )
    if path.is_dir() and any(path.iterdir()) and not (path / "_delta_log").is_dir():
        raise OutputError(f"The folder {given} holds other things than a Delta table.", remedy="Name a new folder.")
    if not _PLAIN_PATH.fullmatch(str(path)):
        raise OutputError(
            f"The path {path} has characters that a Delta table cannot be written under.",
            remedy="Name a folder with letters, digits, '_', '-' and '.' only, or a file.",
        )
    return Destination(given, To.DELTA, path=path)


def table_levels(lake: Lakehouse, name: str) -> tuple[str, ...] | None:
    """Return catalog, schema and name of a table; ``None`` if that is not the form of a table's name."""
    levels, end = [], 0
    for found in _LEVEL.finditer(name):
        if found.start() != end:
            return None
        levels.append(found[1].replace("``", "`") if found[1] else found[2].strip())
        end = found.end() + 1
    if end != len(name) + 1 or len(levels) not in (2, 3) or not all(levels):
        return None
    return tuple(levels) if len(levels) == 3 else (lake.settings.catalog, *levels)


def table_folder(lake: Lakehouse, levels: tuple[str, ...]) -> Path:
    """Return the folder of a table on this machine."""
    return lake.warehouse / folder_name(levels[1]) / folder_name(levels[2])


def register(lake: Lakehouse, levels: tuple[str, ...]) -> None:
    """Make a table that an ad-hoc run wrote on this machine known to the session, whose catalog begins empty."""
    folder = table_folder(lake, levels)
    if not lake.is_local or levels[0] != lake.settings.catalog or not (folder / "_delta_log").is_dir():
        return
    lake.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(*levels[:2])}")
    lake.spark.sql(f"CREATE TABLE IF NOT EXISTS {quoted(*levels)} USING DELTA LOCATION {literal(str(folder))}")


def register_all(lake: Lakehouse) -> None:
    """Make all tables that ad-hoc runs wrote on this machine known to the session, but for those of odd names."""
    if not lake.is_local:
        return
    ours = {(table.schema, table.name) for table in TABLES}
    for log in sorted(lake.warehouse.glob("*/*/_delta_log")):
        schema, name = log.parts[-3:-1]
        if (schema, name) not in ours and (folder_name(schema), folder_name(name)) == (schema, name):
            register(lake, (lake.settings.catalog, schema, name))


def _has_format(name: str) -> bool:
    try:
        locate(name)
    except InputError:
        return False
    return True
