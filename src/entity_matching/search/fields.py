"""Which parts of the normalised table the searchers read, and how much each counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.errors import ArtifactError
from entity_matching.records import part
from entity_matching.schema import Kind, Schema
from entity_matching.search.candidates import Rows


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
    """
    found: list[Source] = []
    for kind in (Kind.NAME, Kind.TEXT, Kind.CATEGORY):
        for attribute in schema.of_kind(kind):
            if not attribute.is_searched:
                continue
            parts = {Kind.NAME: _NAME_PARTS, Kind.TEXT: _TEXT_PARTS}.get(kind, (("value", 1.0),))
            columns = tuple((part(attribute.name, name), weight) for name, weight in parts)
            found.append(Source(attribute.name, columns, _LATER_WEIGHT if found else 1.0))
    return tuple(found)


def strings(table: pa.Table, column: str) -> pa.Array:
    """Return a column as one array of non-null strings; a column that is not there is empty throughout."""
    if column not in table.column_names:
        return pa.repeat(pa.scalar(""), table.num_rows)
    values = table.column(column)
    if not pa.types.is_string(values.type) or values.nbytes >= 2**31:
        values = values.cast(pa.large_string())
    if values.null_count:
        values = pc.fill_null(values, "")
    joined = values.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        joined = pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([], values.type)
    return joined


def groups(table: pa.Table, sources: tuple[Source, ...]) -> tuple[Rows, npt.NDArray[np.int64], pa.Table]:
    """Group the records whose searched strings are the same.

    :return: ``members``: row numbers, group by group, ascending within each; ``starts``: where each group
        begins, shape (groups + 1,); and the first record of each group. Groups are in the order of their
        first records.
    """
    columns = [column for source in sources for column, _ in source.columns]
    searched_only = pa.table({column: strings(table, column) for column in columns})
    if table.num_rows == 0:
        return np.empty(0, np.int32), np.zeros(1, np.int64), searched_only
    joined = pc.binary_join_element_wise(*searched_only.columns, "\x1f")
    if isinstance(joined, pa.ChunkedArray):
        joined = joined.combine_chunks()
    code = pc.dictionary_encode(joined).indices.to_numpy()
    members = np.argsort(code, kind="stable").astype(np.int32)
    starts = np.concatenate(([0], np.cumsum(np.bincount(code)))).astype(np.int64)
    return members, starts, searched_only.take(pa.array(members[starts[:-1]]))
