"""The schema of the catalog's records: kept beside the models, given by a file, or guessed from what came."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from entity_matching.errors import EntityMatchingError, OutputError, SchemaError
from entity_matching.guess import default_schema, describe_schema, guess_schema
from entity_matching.jobs.ingest.arrivals import SAMPLE_ROWS, Arrival
from entity_matching.jobs.ingest.columns import read_columns
from entity_matching.jobs.ingest.rows import hash_batches
from entity_matching.lakehouse import Lakehouse, LakehouseSettings
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.names import quoted
from entity_matching.lakehouse.tables import REFERENCE_ENTITIES, SOURCE_ENTITIES
from entity_matching.schema import Key, Schema, Side
from entity_matching.storage import replace_text

log = logging.getLogger(__name__)

NAME = "schema.yml"
"""The schema's file, among the artifacts."""
_TABLES = {Side.SOURCE: SOURCE_ENTITIES, Side.REFERENCE: REFERENCE_ENTITIES}


def stored_schema(settings: LakehouseSettings) -> Schema | None:
    """Return the schema of the catalog; ``None`` if there is none yet.

    :raises SchemaError: if its file is not valid.
    """
    path = settings.artifacts / NAME
    return Schema.load(path) if path.is_file() else None


def record_schema(settings: LakehouseSettings) -> Schema:
    """Return the schema of the catalog.

    :raises EntityMatchingError: if there is none yet.
    """
    schema = stored_schema(settings)
    if schema is None:
        raise EntityMatchingError(
            f"The catalog '{settings.catalog}' does not know yet what its records hold ({settings.artifacts / NAME}).",
            remedy="Ingest a source and a reference, or give a schema: "
            "entity-matching run setup-unity-catalog -- --schema FILE",
        )
    return schema


def keep_schema(lake: Lakehouse, schema: Schema) -> bool:
    """Make a schema that of the catalog. Of another than before, the hashes of stored records are made anew.

    :returns: whether it is another.
    :raises OutputError: if it cannot be written.
    """
    before = stored_schema(lake.settings)
    if before == schema:
        return False
    for side, table in _TABLES.items():
        if before is None or set(read_columns(before, side)) != set(read_columns(schema, side)):
            _hash_anew(lake, table, read_columns(schema, side))
    # last, so that a run killed before finds the old schema, and does this again
    _write(lake.settings.artifacts / NAME, schema.to_yaml())
    return True


def resolve_schema(
    lake: Lakehouse, given: Schema | None, source: Sequence[Arrival], reference: Sequence[Arrival]
) -> tuple[Schema, bool]:
    """Return the schema to read with, and whether it is to be kept.

    It is the one given, else the catalog's, else a guess. With a reference alone the guess serves to read it and is
    not kept: what the source calls its columns is not known yet.

    :param source: what came of the source, each with at least one row; likewise ``reference``.
    :raises SchemaError: if there is nothing to guess from.
    """
    if given is not None:
        return given, True
    stored = stored_schema(lake.settings)
    if stored is not None:
        return stored, False
    if not source and not reference:
        return default_schema(), False  # there is no row to read
    master = reference[0].sample() if reference else _stored_sample(lake)
    if master is None:
        raise SchemaError(
            "There is no schema, and no reference to guess one from.",
            remedy="Give --schema FILE, or load the reference first with --reference.",
        )
    if not source:
        return guess_schema(master, master), False
    records = source[0].sample()
    schema = guess_schema(records, master)
    if not reference:
        schema = schema.model_copy(update={"key": Key(source=schema.key.source, reference=_stored_key(master))})
    log.warning("Columns, as guessed (kept in %s; say otherwise with --schema):", lake.settings.artifacts / NAME)
    for line in describe_schema(schema, records.column_names, master.column_names):
        log.warning("  %s", line)
    return schema, True


_STORED_KEY = "\x00entity_id"


def _stored_sample(lake: Lakehouse) -> pa.Table | None:
    rows = lake.read(REFERENCE_ENTITIES).select("entity_id", "attributes").limit(SAMPLE_ROWS).toArrow()
    records = [dict(row) for row in rows.column("attributes").to_pylist()]
    names = list(dict.fromkeys(name for record in records for name in record))
    if not names:
        return None
    table = pa.table({name: pa.array([record.get(name) for record in records], pa.string()) for name in names})
    keys = rows.column("entity_id").to_pylist()
    key = next((name for name in names if table.column(name).to_pylist() == keys), None)
    return table.replace_schema_metadata({_STORED_KEY: key or ""})


def _stored_key(sample: pa.Table) -> str | None:
    return (sample.schema.metadata or {}).get(_STORED_KEY.encode(), b"").decode() or None


def _hash_anew(lake: Lakehouse, table: Table, content: tuple[str, ...]) -> None:
    """Bring the content hashes of stored records to the columns that the schema reads."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    kinds = {column.name: column.type for column in table.columns}
    names = [*table.key, "attributes", "content_hash"]
    rows = lake.read(table).select(*names)
    layout = ", ".join(f"{name} {kinds[name]}" for name in names)
    hashed = rows.mapInArrow(partial(hash_batches, content=content), layout).drop("attributes")
    old = lake.read(table).select(*table.key, F.col("content_hash").alias("old_hash"))
    differing = hashed.join(old, list(table.key)).where(F.col("old_hash") != F.col("content_hash"))
    if differing.isEmpty():
        return
    log.info("The schema reads other columns than before: hashes of %s are made anew.", table.full_name)
    on = " AND ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in table.key)
    lake.execute(
        f"MERGE INTO {lake.name(table)} t USING (SELECT * FROM {{rows}}) s ON {on}"
        " WHEN MATCHED THEN UPDATE SET content_hash = s.content_hash",
        rows=differing.drop("old_hash"),
    )


def _write(path: Path, text: str) -> None:
    try:
        replace_text(path, text)
    except OSError as error:
        raise OutputError(
            f"The schema cannot be written to {path}: {error.strerror or error}.", remedy="Check the folder."
        ) from error
