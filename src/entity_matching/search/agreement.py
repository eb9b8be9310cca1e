"""Agreement of the categories of a pair: a hint that orders records of the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching import storage
from entity_matching.lookup import Lookup
from entity_matching.records import part
from entity_matching.schema import Kind, Schema
from entity_matching.search.candidates import Rows, Scores
from entity_matching.search.fields import strings


class Agreement:
    """The categories of the reference, as numbers.

    :param columns: the columns of the normalised table.
    :param values: per column the values the reference has.
    :param codes: per column and reference row the number of its value, -1 where it is missing.
    """

    def __init__(self, columns: tuple[str, ...], values: list[pa.Array], codes: list[npt.NDArray[np.int32]]) -> None:
        self.columns = columns
        self.values = values
        self.codes = codes
        self._known = [Lookup(known) for known in values]

    @classmethod
    def build(cls, reference: pa.Table, schema: Schema) -> Self:
        """Take the categories of the reference that are not searched as words."""
        columns = [
            part(attribute.name, "value") for attribute in schema.of_kind(Kind.CATEGORY) if not attribute.is_searched
        ]
        columns = [column for column in columns if column in reference.column_names]
        values = [pc.drop_null(pc.unique(_blank_to_null(strings(reference, column)))) for column in columns]
        codes = [
            Lookup(known).any(strings(reference, column)).astype(np.int32)
            for column, known in zip(columns, values, strict=True)
        ]
        return cls(tuple(columns), values, codes)

    def of(self, source: pa.Table, left: Rows, right: Rows) -> Scores | None:
        """Return the share of the categories that agree, from 0 to 1; ``None`` if there are none.

        A category missing on one side counts half; missing on both it agrees.

        :param source: the normalised source table.
        :param left: its rows, shape (pairs,).
        :param right: reference rows, shape (pairs,).
        """
        here = [number for number, column in enumerate(self.columns) if column in source.column_names]
        if not here:
            return None
        total = np.zeros(len(left), np.float32)
        for number in here:
            given = strings(source, self.columns[number])
            code = self._known[number].any(given)
            absent = pc.equal(given, "").to_numpy(zero_copy_only=False)[left]
            missing = absent.astype(np.int8) + (self.codes[number][right] < 0)
            same = (code[left] == self.codes[number][right]) & ~absent
            total += np.where(missing == 1, np.float32(0.5), (same | (missing == 2)).astype(np.float32))
        return total / np.float32(len(here))

    def save(self, folder: Path) -> None:
        """Write the categories into an existing, empty folder."""
        storage.write_meta(folder, {"columns": self.columns})
        for number, (values, codes) in enumerate(zip(self.values, self.codes, strict=True)):
            storage.write_table(folder, f"values-{number}", pa.table({"value": values}))
            storage.write_array(folder, f"codes-{number}", codes)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged or of a newer format.
        """
        columns = tuple(map(str, storage.read_meta(folder, "columns")["columns"]))
        tables = [storage.read_table(folder, f"values-{number}") for number in range(len(columns))]
        codes = [storage.read_array(folder, f"codes-{number}") for number in range(len(columns))]
        return cls(columns, [table.column("value").combine_chunks() for table in tables], codes)


def _blank_to_null(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
