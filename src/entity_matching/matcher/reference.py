"""The master list, made ready to be matched against: normalised, indexed, its keys at hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.config import SearchSettings
from entity_matching.matcher.exact import KnownValues
from entity_matching.normalize import normalize_table
from entity_matching.records import KEY, part
from entity_matching.schema import Kind, Schema, Side
from entity_matching.search import CandidateIndex
from entity_matching.storage import damaged, read_table, replace_folder, write_table


@dataclass(frozen=True)
class Reference:
    """The normalised reference with its candidate index; immutable, shared by all batches."""

    table: pa.Table
    index: CandidateIndex

    @classmethod
    def prepare(cls, reference: pa.Table, schema: Schema, settings: SearchSettings) -> Reference:
        """Normalise and index a reference table as given."""
        table = normalize_table(reference, schema, Side.REFERENCE).combine_chunks()
        return cls(table, CandidateIndex.build(table, schema, settings))

    def save(self, folder: str | Path) -> None:
        """Write it into a folder, whole or not at all, for processes that match against it later."""
        replace_folder(Path(folder), self._write)

    def _write(self, folder: Path) -> None:
        write_table(folder, "records", self.table)
        self.index.save(folder / "index")

    @classmethod
    def load(cls, folder: str | Path) -> Reference:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged or of a newer format.
        """
        folder = Path(folder)
        table = read_table(folder, "records").combine_chunks()
        index = CandidateIndex.load(folder / "index")
        if index.rows != table.num_rows:
            raise damaged(folder, f"it has {table.num_rows} records, and its index {index.rows}")
        return cls(table, index)

    def distinct_rows(self, schema: Schema) -> NDArray[np.int64]:
        """Return the first row of each distinct wording, ascending: rows whose names and texts all differ."""
        texts = [
            part(attribute.name, "text")
            for attribute in schema.of_kind(Kind.NAME, Kind.TEXT)
            if part(attribute.name, "text") in self.table.column_names
        ]
        if not texts or not self.table.num_rows:
            return np.arange(self.table.num_rows)
        numbered = self.table.select(texts).append_column("row", pa.array(np.arange(self.table.num_rows)))
        first = numbered.group_by(texts, use_threads=False).aggregate([("row", "min")])["row_min"]
        return np.sort(first.to_numpy()).astype(np.int64)

    @cached_property
    def known(self) -> KnownValues:
        """The values of its columns, at hand for the exact stage."""
        return KnownValues(self.table)

    @property
    def keys(self) -> pa.Array:
        """The key of each reference row, as strings."""
        keys = self.table[KEY]
        return keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
