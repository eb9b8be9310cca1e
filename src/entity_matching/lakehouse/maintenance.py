"""Upkeep of tables: small files put together, files that nothing needs any more removed, the history."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.errors import SettingsError
from entity_matching.lakehouse.failures import explained
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.tables import TABLES
from entity_matching.lakehouse.upgrade import set_properties

if TYPE_CHECKING:
    from entity_matching.lakehouse.catalog import Lakehouse

log = logging.getLogger(__name__)

RETENTION_DAYS = 30
"""Days for which every state of a table can be read, by default."""
_LOG_RETENTION, _FILE_RETENTION = "delta.logRetentionDuration", "delta.deletedFileRetentionDuration"


@dataclass(frozen=True)
class Upkeep:
    """What was done to a table.

    :param compacted: small files that were put together; ``written``: the files made of them.
    :param removed: files that nothing needed any more; ``removed_bytes``: their size. ``None``: the platform does not
        say.
    """

    table: str
    compacted: int
    written: int
    removed: int | None
    removed_bytes: int | None


@dataclass(frozen=True)
class Commit:
    """One version of a table. ``operation``: what made it, e.g. ``MERGE``.

    ``time``: from when on ``TIMESTAMP AS OF`` gives it, in UTC.
    """

    version: int
    time: datetime
    operation: str


def maintain(
    lake: Lakehouse, tables: Sequence[Table] = TABLES, *, retention_days: int = RETENTION_DAYS
) -> list[Upkeep]:
    """Put small files together and remove files that were replaced before the time that is kept.

    Every state of the last ``retention_days`` days stays readable (``TIMESTAMP AS OF``); older ones go.

    :param retention_days: at least 1.
    :raises SettingsError: if it is less.
    :raises EntityMatchingError: if a table is not there, or is written to meanwhile.
    """
    if retention_days < 1:
        raise SettingsError(
            f"retention_days is {retention_days}; at least 1 day is kept, for what reads a table meanwhile.",
            remedy="Give 1 or more.",
        )
    with explained(lake.settings):
        return [_maintained(lake, table, retention_days) for table in tables]


def history(lake: Lakehouse, table: Table, limit: int | None = None) -> list[Commit]:
    """Return the versions of a table that are known, the newest first.

    :param limit: how many at most.
    """
    with explained(lake.settings):
        if lake.is_local:
            return [
                Commit(entry["version"], _time(lake, table, entry), entry.get("operation", ""))
                for entry in lake.delta(table).history(limit)
            ]
        most = "" if limit is None else f" LIMIT {limit}"
        rows = lake.spark.sql(f"DESCRIBE HISTORY {lake.name(table)}{most}").collect()
        return [Commit(row["version"], row["timestamp"].astimezone(UTC), row["operation"]) for row in rows]


def _time(lake: Lakehouse, table: Table, entry: Mapping[str, Any]) -> datetime:
    """Return the time that counts for time travel: that of the file, which is written after the time it notes."""
    file = Path(lake.location(table)) / "_delta_log" / f"{entry['version']:020}.json"
    milliseconds = file.stat().st_mtime_ns // 1_000_000 if file.exists() else entry["timestamp"]
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _maintained(lake: Lakehouse, table: Table, days: int) -> Upkeep:
    kept = f"interval {days} days"
    wanted = {_LOG_RETENTION: kept, _FILE_RETENTION: kept}
    properties = lake.properties(table)
    if any(properties.get(name) != value for name, value in wanted.items()):
        set_properties(lake, table, wanted)
    done = _local(lake, table, days) if lake.is_local else _remote(lake, table, days)
    log.info("%s", done)
    return done


def _local(lake: Lakehouse, table: Table, days: int) -> Upkeep:
    compaction = lake.delta(table).optimize.compact()
    delta = lake.delta(table)
    # `full` finds what a killed process left, too; it is old enough to be nobody's
    options = {"retention_hours": days * 24, "enforce_retention_duration": False, "full": True}
    removed = delta.vacuum(dry_run=True, **options)
    size = sum(_size(Path(lake.location(table)) / name) for name in removed)
    if removed:
        delta.vacuum(dry_run=False, **options)
    return Upkeep(table.full_name, compaction["numFilesRemoved"], compaction["numFilesAdded"], len(removed), size)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _remote(lake: Lakehouse, table: Table, days: int) -> Upkeep:
    metrics: Any = lake.spark.sql(f"OPTIMIZE {lake.name(table)}").collect()[0]["metrics"]
    lake.spark.sql(f"VACUUM {lake.name(table)} RETAIN {days * 24} HOURS").collect()
    return Upkeep(table.full_name, metrics["numFilesRemoved"], metrics["numFilesAdded"], None, None)
