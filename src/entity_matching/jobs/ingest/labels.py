"""Labels that people bring along, taken over into ``bronze.labeled_pairs``."""

from __future__ import annotations

import logging

import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.errors import EntityMatchingError
from entity_matching.files import labels_of, read_table
from entity_matching.jobs.ingest.arrivals import arrive
from entity_matching.jobs.ingest.origins import From, find_origins
from entity_matching.jobs.ingest.rows import SYSTEM
from entity_matching.jobs.job import Context
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.tables import LABELED_PAIRS, REFERENCE_ENTITIES, SOURCE_ENTITIES
from entity_matching.lakehouse.writes import merge
from entity_matching.normalize.strings import to_strings
from entity_matching.schema import Key

log = logging.getLogger(__name__)


def load_labels(context: Context, given: str, *, key: Key | None = None, system: str | None = None) -> dict[str, int]:
    """Take over labels; of a record that was labelled before the new label counts.

    :param given: a file or a table, as :func:`entity_matching.files.read_labels` reads them; a column
        ``source_system`` may say which system each record is of.
    :param key: the key columns of the schema.
    :param system: the system of the records, where no column says it; by default the only one that is stored.
    :returns: numbers: ``labels``, ``without_entity`` (in the reference nowhere), ``unknown_entities``.
    :raises LabelsError: if labels contradict each other, or name no source record.
    :raises EntityMatchingError: if it is not known which system the records are of.
    """
    parts = []
    for origin in find_origins(context.lake, given, system=""):
        if origin.kind is From.FILE:
            table = read_table(origin.name)
        else:
            frame = arrive(context.lake, origin).frame
            assert frame is not None
            table = frame.toArrow()
        parts += [_rows(context, labels, name, origin.name) for name, labels in _by_system(
            context.lake, table, origin.name, key, system
        )]  # fmt: skip
    rows = pa.concat_tables(parts)
    merge(context.lake, LABELED_PAIRS, context.lake.frame(rows), changed="NOT (t.entity_id <=> s.entity_id)")
    return {
        "labels": rows.num_rows,
        "without_entity": rows.column("entity_id").null_count,
        "unknown_entities": _unknown(context.lake, rows.column("entity_id")),
    }


def _by_system(
    lake: Lakehouse, table: pa.Table, name: str, key: Key | None, system: str | None
) -> list[tuple[str, pa.Table]]:
    if SYSTEM not in table.column_names:
        return [(system or _only_system(lake, name), labels_of(table, key, file=name))]
    systems = to_strings(table.column(SYSTEM))
    table = table.drop_columns([SYSTEM])
    return [
        (one, labels_of(table.filter(pc.equal(systems, one)), key, file=name)) for one in systems.unique().to_pylist()
    ]


def _only_system(lake: Lakehouse, name: str) -> str:
    found = [row[0] for row in lake.read(SOURCE_ENTITIES).select(SYSTEM).distinct().collect()]
    if len(found) == 1:
        return str(found[0])
    stored = ", ".join(sorted(found)) or "none"
    raise EntityMatchingError(
        f"{name} does not say which system its source records are of. Stored are: {stored}.",
        remedy=f"Name it with --source-system, or add a column '{SYSTEM}'.",
    )


def _rows(context: Context, labels: pa.Table, system: str, origin: str) -> pa.Table:
    count = labels.num_rows
    entities = labels.column("reference_key").combine_chunks()
    return pa.table(
        {
            "source_system": pa.array([system] * count, pa.string()),
            "source_id": labels.column("source_key"),
            "entity_id": pc.if_else(pc.equal(entities, ""), pa.scalar(None, pa.string()), entities),
            "origin": pa.array([origin] * count, pa.string()),
            "labeled_at": pa.array([context.clock()] * count, pa.timestamp("us", "UTC")),
        }
    )


def _unknown(lake: Lakehouse, entities: pa.ChunkedArray) -> int:
    """Return, and log, how many labels name an entity that the reference does not have (if there is one)."""
    named = pa.table({"entity_id": entities.drop_null()})
    known = lake.read(REFERENCE_ENTITIES).select("entity_id")
    if not named.num_rows or known.isEmpty():
        return 0
    unknown = lake.frame(named).join(known, "entity_id", "left_anti").count()
    if unknown:
        log.warning("%s of %s labels name an entity that the reference does not have.", f"{unknown:,}",
                    f"{named.num_rows:,}")  # fmt: skip
    return unknown
