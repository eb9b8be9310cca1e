"""Stored records as tables: the columns that the schema reads, taken out of the map of all columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.settings import LakehouseSettings
from entity_matching.schema import Key, Schema, Side

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SYSTEM, ID = "__system", "__id"
"""Columns that hold the key of a source record."""
RECORD = "__record"
"""Column that holds both, as one text."""
ENTITY = "__entity"
"""Column that holds the key of a reference record."""
CONTENT = "__content"
"""Column that holds the hash of what matching reads of a record."""
_BETWEEN = "\x1f"
_KEYS = {
    Side.SOURCE: {"source_system": SYSTEM, "source_id": ID, "content_hash": CONTENT},
    Side.REFERENCE: {"entity_id": ENTITY, "content_hash": CONTENT},
}


def stored_schema(settings: LakehouseSettings) -> Schema:
    """Return the schema of the catalog's records.

    :raises EntityMatchingError: if nothing was loaded yet.
    """
    path = settings.artifacts / "schema.yml"
    if not path.is_file():
        raise EntityMatchingError(
            f"The catalog '{settings.catalog}' does not know yet what its records are: there is no {path}.",
            remedy="Load the reference first: entity-matching run setup-unity-catalog -- --reference FILE",
        )
    return Schema.load(path)


def keyed(schema: Schema) -> Schema:
    """Return the schema that reads the key of a record from the columns that :func:`records_of` adds."""
    return schema.model_copy(update={"key": Key(source=RECORD, reference=ENTITY)})


def record_keys(systems: pa.ChunkedArray, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the keys of source records as one text each."""
    return pc.binary_join_element_wise(systems.cast(pa.string()), ids.cast(pa.string()), _BETWEEN)


def records_of(rows: DataFrame, schema: Schema, side: Side) -> pa.Table:
    """Return stored records as a table.

    :param rows: some rows of ``bronze.source_entities`` or ``bronze.reference_entities``, by the side.
    :returns: the columns that the schema reads and some record has; :data:`CONTENT`; and :data:`ENTITY` of the
        reference, :data:`SYSTEM`, :data:`ID` and :data:`RECORD` of the source.
    """
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

    names = sorted({attribute.column_on(side) for attribute in schema.attributes})
    # numbered, since a column of the records may be named as one of the table
    chosen = [F.col("attributes")[F.lit(name)].alias(f"attribute_{number}") for number, name in enumerate(names)]
    given = rows.select(*_KEYS[side], *chosen).toArrow()
    table = {}
    for number, name in enumerate(names):
        column = given[f"attribute_{number}"]
        # a column that no record has is not there, unless the schema asks for it outright
        if column.null_count < len(column) or name in _named(schema, side):
            table[name] = column
    table |= {ours: given[theirs] for theirs, ours in _KEYS[side].items()}
    if side is Side.SOURCE:
        table[RECORD] = record_keys(table[SYSTEM], table[ID])
    return pa.table(table)


def _named(schema: Schema, side: Side) -> set[str | None]:
    if side is Side.SOURCE:
        return {attribute.source_column for attribute in schema.attributes}
    return {attribute.reference_column for attribute in schema.attributes}
