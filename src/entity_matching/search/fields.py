"""Which parts of the normalised table the searchers read, and how much each counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.errors import ArtifactError
from entity_matching.records import part
from entity_matching.schema import Kind, Schema
from entity_matching.search.sparse import Grouping


class Source(NamedTuple):
    """One searched attribute: its columns in the normalised table, each with its weight within it."""

    attribute: str
    columns: tuple[tuple[str, float], ...]
    weight: float

    @classmethod
    def read(cls, data: Any) -> tuple[Source, ...]:
        """Return the attributes as JSON gave them back.

        :raises ArtifactError: if the JSON holds something else.
        """
        try:
            return tuple(
                cls(str(name), tuple((str(column), float(share)) for column, share in columns), float(weight))
                for name, columns, weight in data
            )
        except (TypeError, ValueError) as error:
            raise ArtifactError(f"The saved index names no searched attributes: {error}.") from error


_NAME_PARTS = (("core", 1.0), ("text", 0.5))
_TEXT_PARTS = (("text", 1.0),)
_LATER_WEIGHT = 0.5  # what an attribute after the first of its kind counts against the first


def searched(schema: Schema) -> tuple[Source, ...]:
    """Return the searched attributes, the one that tells most first.

    Names come before texts; within a kind the schema's order tells, since people put the title first.
    A schema that has neither is searched by all its values as they were given.
    """
    found: list[Source] = []
    for kind in (Kind.NAME, Kind.TEXT, Kind.CATEGORY):
        for attribute in schema.of_kind(kind):
            if not attribute.is_searched:
                continue
            parts = {Kind.NAME: _NAME_PARTS, Kind.TEXT: _TEXT_PARTS}.get(kind, (("value", 1.0),))
            columns = tuple((part(attribute.name, name), weight) for name, weight in parts)
            found.append(Source(attribute.name, columns, _LATER_WEIGHT if found else 1.0))
    if not found:
        found = [Source(attribute.name, ((part(attribute.name, "raw"), 1.0),), 1.0) for attribute in schema.attributes]
    return tuple(found)


def strings(table: pa.Table, column: str) -> pa.Array:
    """Return a column as one array of non-null large strings; a column that is not there is empty throughout."""
    if column not in table.column_names:
        return pa.repeat(pa.scalar("", pa.large_string()), table.num_rows)
    values = table.column(column).cast(pa.large_string())
    if values.null_count:
        values = pc.fill_null(values, "")
    if values.num_chunks == 1:
        return values.chunk(0)
    return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], pa.large_string())


def joined(parts: Sequence[pa.Array]) -> pa.Array:
    """Return one large string per record, from its parts; null where a part is null."""
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, pa.scalar("\x1f", pa.large_string()))


def distinct(table: pa.Table, sources: tuple[Source, ...]) -> tuple[Grouping, pa.Table]:
    """Group the records whose searched strings are the same.

    :return: the groups, in the order of their first records; and those first records, searched columns only.
    """
    columns = [column for source in sources for column, _ in source.columns]
    records = pa.table({column: strings(table, column) for column in columns})
    if table.num_rows == 0:
        return Grouping(np.empty(0, np.int32), np.zeros(1, np.int64)), records
    code = pc.dictionary_encode(joined([strings(records, column) for column in columns])).indices.to_numpy()
    members = np.argsort(code, kind="stable").astype(np.int32)
    starts = np.concatenate(([0], np.cumsum(np.bincount(code)))).astype(np.int64)
    return Grouping(members, starts), records.take(pa.array(members[starts[:-1]]))
