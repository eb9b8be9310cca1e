"""One side of a run: read, judged and measured first, and written only when nothing speaks against it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from entity_matching.errors import InputError, SchemaError
from entity_matching.jobs.ingest.arrivals import Arrival, Landing, arrive, columns_of
from entity_matching.jobs.ingest.changes import (
    CHANGED,
    CONTRADICTION,
    DUPLICATE,
    NEW,
    NO_KEY,
    TARGETS,
    UNCHANGED,
    UPDATED,
    Batch,
)
from entity_matching.jobs.ingest.columns import Before, check_columns, compare_columns, read_columns
from entity_matching.jobs.ingest.origins import From, Origin
from entity_matching.jobs.ingest.quality import Measured, measure
from entity_matching.jobs.ingest.rows import Reading
from entity_matching.jobs.job import Context
from entity_matching.lakehouse.tables import QUARANTINE
from entity_matching.lakehouse.writes import merge
from entity_matching.schema import Schema, Side

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corrupt:
    """A file that could not be read, and why."""

    origin: Origin
    reason: str


@dataclass(frozen=True)
class Opened:
    """The origins of one side: those that can be read, and those that cannot."""

    side: Side
    arrivals: Sequence[Arrival] = ()
    corrupt: Sequence[Corrupt] = ()

    @cached_property
    def filled(self) -> list[Arrival]:
        """Those that have a row."""
        return [arrival for arrival in self.arrivals if not arrival.is_empty]


@dataclass(frozen=True)
class Rules:
    """What a run lets pass.

    ``max_shrink``: share (0 to 1) of the stored rows that may go; ``None``: all. ``may_lack``: whether a column that
    was there before may be gone. ``snapshot``: whether stored records of a system that did not come are deleted.
    ``long``: characters beyond which a value counts as over-long.
    """

    max_shrink: float | None = 0.5
    may_lack: bool = False
    snapshot: bool = False
    long: int = 1_000


@dataclass(frozen=True)
class Prepared:
    """One side that is ready to be written."""

    opened: Opened
    batch: Batch
    measured: Measured
    notes: Sequence[str]

    def write(self, context: Context) -> None:
        """Write what came; done twice, the second time changes nothing."""
        if self.opened.corrupt:
            merge(context.lake, QUARANTINE, _corrupt_rows(context, self.opened), changed=None, distinct=True)
        self.batch.write(context)

    @property
    def figures(self) -> dict[str, int]:
        """Numbers of rows. Those that came are new, changed, unchanged, duplicates or rejected.

        Updated are those of the unchanged of which a column that matching does not read is different. Removed are
        stored rows that did not come.
        """
        return {**_numbers([by for by in self.batch.counts.values()]), "removed": self.batch.lost}

    @property
    def files(self) -> list[dict[str, Any]]:
        """The same numbers for each file or table, but for those removed."""
        read = [
            {
                "origin": arrival.origin.name,
                **({"system": arrival.origin.system} if self.opened.side is Side.SOURCE else {}),
                **_numbers([self.batch.counts.get((arrival.origin.name, arrival.origin.system), {})]),
            }
            for arrival in self.opened.arrivals
        ]
        return read + [{"origin": one.origin.name, "error": one.reason} for one in self.opened.corrupt]


def open_origins(context: Context, origins: Sequence[Origin], side: Side, *, strict: bool) -> Opened:
    """Open the origins of one side.

    :param strict: whether a file that cannot be read stops the run; otherwise it is put into quarantine as a whole,
        if there are good ones beside it.
    :raises InputError: if an origin cannot be read.
    """
    arrivals, corrupt, first = [], [], None
    for origin in origins:
        try:
            arrivals.append(arrive(context.lake, origin))
        except InputError as error:
            if strict or origin.kind is not From.FILE or not origin.path.exists():
                raise
            first = first or error
            corrupt.append(Corrupt(origin, str(error)))
    if first is not None and not arrivals:
        raise first
    for one in corrupt:
        log.warning("A file cannot be read and was put into quarantine as a whole: %s", one.reason)
    return Opened(side, arrivals, corrupt)


def prepare(
    context: Context, landing: Landing, opened: Opened, schema: Schema, rules: Rules, before: Before,
    other: Sequence[str],
) -> Prepared:  # fmt: skip
    """Read what came of one side, and find out what it means. Nothing is written but the staged rows.

    :param other: the columns of the other side; none if they are not known.
    :raises SchemaError: if a column that the schema reads is not there.
    :raises InputError: if rows cannot be read, or too many stored ones would go.
    """
    side, filled = opened.side, opened.filled
    notes = [f"{one.reason} The file was put into quarantine as a whole." for one in opened.corrupt]
    for arrival in filled:
        check_columns(arrival, schema, side, before, other, may_lack=rules.may_lack)
        notes += compare_columns(arrival, side, before)
    _check_row_numbers(filled, schema, side)
    for arrival in filled:
        content = read_columns(schema, side)
        origin = arrival.origin
        reading = Reading(arrival.columns, schema.key.on(side), content, origin.system, origin.name)
        landing.add(str(side), arrival, reading)
    staged = landing.rows(str(side))
    key = schema.key.on(side)
    batch = Batch(
        context.lake, TARGETS[side], staged, _complete(opened, rules, notes),
        "row number" if key is None else f"column '{key}'",
    )  # fmt: skip
    _check_shrink(batch, side, rules)
    measured = measure(staged, schema, side, columns_of(filled), long=rules.long) if filled else {}
    return Prepared(opened, batch, measured, notes)


def _complete(opened: Opened, rules: Rules, notes: list[str]) -> list[str]:
    """Return the systems of which everything came."""
    if not rules.snapshot:
        return []
    broken = {one.origin.system for one in opened.corrupt}
    if broken:
        note = f"Nothing is removed of {', '.join(sorted(broken))}, since not every file of it could be read."
        log.warning("%s", note)
        notes.append(note)
    return sorted({arrival.origin.system for arrival in opened.arrivals} - broken)


def _check_shrink(batch: Batch, side: Side, rules: Rules) -> None:
    for loss in batch.losses:
        if rules.max_shrink is None or loss.share <= rules.max_shrink:
            continue
        what = "The reference" if side is Side.REFERENCE else f"The snapshot of '{loss.system}'"
        raise InputError(
            f"{what} lacks {loss.lost:,} of the {loss.stored:,} records that are stored ({loss.share:.0%}); at most "
            f"{rules.max_shrink:.0%} may go at once. Nothing was written.",
            remedy="Check that it is whole. If they are really to go: --allow-shrink true",
        )


def _check_row_numbers(arrivals: Sequence[Arrival], schema: Schema, side: Side) -> None:
    if schema.key.on(side) is not None or not arrivals:
        return
    names = [arrival.origin.name for arrival in arrivals]
    systems = [arrival.origin.system for arrival in arrivals]
    table = next((arrival.origin.name for arrival in arrivals if arrival.frame is not None), None)
    if table is None and len(set(systems)) == len(systems):
        log.warning(
            "The schema names no key of the %s: the row number is the key of %s. A row that moves is another record.",
            side,
            ", ".join(names),
        )
        return
    why = f"the rows of {table} have no order" if table else f"several files are of one system ({', '.join(names)})"
    raise SchemaError(
        f"The schema names no key of the {side}, and row numbers cannot stand in for it: {why}.",
        remedy=f"Name the column whose values are all different: key: {{{side}: <column>}}.",
    )


def _numbers(counted: Sequence[dict[str, int]]) -> dict[str, int]:
    def number(*verdicts: str) -> int:
        return sum(by.get(verdict, 0) for by in counted for verdict in verdicts)

    return {
        "rows": sum(sum(by.values()) for by in counted),
        "new": number(NEW),
        "changed": number(CHANGED),
        "unchanged": number(UNCHANGED, UPDATED),
        "updated": number(UPDATED),
        "duplicates": number(DUPLICATE),
        "rejected": number(CONTRADICTION, NO_KEY),
    }


def _corrupt_rows(context: Context, opened: Opened) -> DataFrame:
    count = len(opened.corrupt)
    names = [one.origin.name for one in opened.corrupt]
    sizes = [one.origin.path.stat().st_size for one in opened.corrupt]
    raws = [json.dumps({"file": name, "bytes": size}) for name, size in zip(names, sizes, strict=True)]
    systems = [one.origin.system if opened.side is Side.SOURCE else None for one in opened.corrupt]
    rows = {
        "row_id": [
            hashlib.sha256(f"{opened.side} {system or ''} {raw}".encode()).hexdigest()
            for system, raw in zip(systems, raws, strict=True)
        ],
        "side": [str(opened.side)] * count,
        "source_system": pa.array(systems, pa.string()),
        "raw": raws,
        "reason": [one.reason for one in opened.corrupt],
        "origin": names,
        "line": pa.array([None] * count, pa.int64()),
        "quarantined_at": pa.array([context.clock()] * count, pa.timestamp("us", "UTC")),
        "run_id": [context.run_id] * count,
    }
    return context.lake.frame(pa.table(rows))
