"""The master list, made ready to be matched against: normalised, indexed, its keys at hand."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from entity_matching.config import SearchSettings
from entity_matching.normalize import normalize_table
from entity_matching.records import KEY
from entity_matching.schema import Schema, Side
from entity_matching.search import CandidateIndex


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

    @property
    def keys(self) -> pa.Array:
        """The key of each reference row, as strings."""
        keys = self.table[KEY]
        return keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys
