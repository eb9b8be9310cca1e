"""Candidates as Ditto reads them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.serialize import Serializer
from entity_matching.ditto.words import Record

if TYPE_CHECKING:
    from entity_matching.ditto.tokens import PairTokenizer, TokenizedPair

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class PairReader:
    """Turns rows of two normalised tables into what the network reads; each row is read once for all its pairs."""

    serializer: Serializer
    tokenizer: PairTokenizer

    def tokenized(
        self, sources: pa.Table, references: pa.Table, left: Rows, right: Rows, hidden: Collection[str] = ()
    ) -> list[TokenizedPair]:
        """Return the tokens of pairs.

        :param left: row of ``sources`` of each pair; ``right``: row of ``references``.
        :param hidden: attributes that are not shown.
        """
        lefts, left_at = self._records(sources, left, hidden)
        rights, right_at = self._records(references, right, hidden)
        one, two = ([self.tokenizer.encode(record) for record in side] for side in (lefts, rights))
        return [self.tokenizer.join(one[a], two[b]) for a, b in zip(left_at.tolist(), right_at.tolist(), strict=True)]

    def pairs(
        self,
        sources: pa.Table,
        references: pa.Table,
        left: Rows,
        right: Rows,
        matches: NDArray[np.bool_],
        name: str,
        hidden: Collection[str] = (),
    ) -> RecordPairs:
        """Return labelled pairs to train on; the parameters are those of :meth:`tokenized`."""
        lefts, left_at = self._records(sources, left, hidden)
        rights, right_at = self._records(references, right, hidden)
        weight = np.ones(len(matches), dtype=np.float32)
        return RecordPairs(lefts, rights, np.stack([left_at, right_at], axis=1), matches, weight, name)

    def _records(self, table: pa.Table, rows: Rows, hidden: Collection[str]) -> tuple[list[Record], Rows]:
        """Return the distinct records, and the place of each row's among them."""
        distinct, at = np.unique(rows, return_inverse=True)
        return self.serializer.records(table.take(pa.array(distinct)), hidden), at.astype(np.int64)
