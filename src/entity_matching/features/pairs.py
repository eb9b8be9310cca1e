"""Pairs of records to be compared: two normalised tables and which row goes with which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


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

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.source)

    def compact(self) -> Pairs:
        """Return the same pairs over the rows that occur alone, so that the rest costs nothing."""
        rows_source, source = np.unique(self.source, return_inverse=True)
        rows_reference, reference = np.unique(self.reference, return_inverse=True)
        return Pairs(
            self.sources.take(pa.array(rows_source)).combine_chunks(),
            self.references.take(pa.array(rows_reference)).combine_chunks(),
            source.astype(np.int64),
            reference.astype(np.int64),
        )

    def group_starts(self) -> NDArray[np.int64]:
        """Return where each source row's pairs begin, ending with the number of pairs."""
        if not len(self):
            return np.zeros(1, dtype=np.int64)
        return np.asarray(np.r_[0, np.flatnonzero(np.diff(self.source)) + 1, len(self)], dtype=np.int64)
