"""Pairs of records to be compared: two normalised tables and which row goes with which."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.features.weights import combine


@dataclass(frozen=True)
class TextLimits:
    """Bounds that keep the cost of long texts linear; longer texts are logged once per comparison.

    ``characters``: letters of a text that are compared. ``words``: words of a text that are aligned, the
    most telling ones first. ``threads``: of rapidfuzz.
    """

    characters: int = 400
    words: int = 32
    threads: int = 2


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows of two normalised tables.

    ``source`` and ``reference``: int64 row numbers, shape (pairs,). Pairs of one source row stand together.
    """

    sources: pa.Table
    references: pa.Table
    source: NDArray[np.int64]
    reference: NDArray[np.int64]
    _both: dict[str, tuple[pa.Array, pa.Array]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.source)

    def compact(self, columns: Collection[str]) -> Pairs:
        """Return the same pairs over the rows that occur alone, so that the rest costs nothing.

        :param columns: of the tables, those that are wanted; one that a table lacks it goes on to lack.
        """
        rows_source, source = np.unique(self.source, return_inverse=True)
        rows_reference, reference = np.unique(self.reference, return_inverse=True)
        return Pairs(
            _only(self.sources, columns).take(pa.array(rows_source)).combine_chunks(),
            _only(self.references, columns).take(pa.array(rows_reference)).combine_chunks(),
            source.astype(np.int64),
            reference.astype(np.int64),
        )

    def both(self, column: str) -> tuple[pa.Array, pa.Array]:
        """Return a column's value on either side of each pair; several features look at the same one."""
        if column not in self._both:
            self._both[column] = (
                combine(self.sources[column]).take(pa.array(self.source)),
                combine(self.references[column]).take(pa.array(self.reference)),
            )
        return self._both[column]

    def group_starts(self) -> NDArray[np.int64]:
        """Return where each source row's pairs begin, ending with the number of pairs."""
        if not len(self):
            return np.zeros(1, dtype=np.int64)
        return np.asarray(np.r_[0, np.flatnonzero(np.diff(self.source)) + 1, len(self)], dtype=np.int64)


def _only(table: pa.Table, columns: Collection[str]) -> pa.Table:
    return table.select([name for name in table.column_names if name in columns])
