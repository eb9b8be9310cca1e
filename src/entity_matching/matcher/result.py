"""The answer: one row per source record, in the order given.

=============== ========================================== ==============================================
column          type                                       what it holds
=============== ========================================== ==============================================
``source_key``  string                                     the source record's key
``decision``    string                                     ``match``, ``review`` or ``no_match``
``entity_id``   string                                     key of the reference record; for ``review`` the
                                                           best candidate; null for ``no_match``
``confidence``  float64                                    probability that the best candidate is right
``method``      string                                     ``identifier``, ``exact_name``, ``scored``, ``none``
``reason``      string                                     why, in words
``candidates``  list<struct<entity_id, confidence>>        the ranked candidates, best first
=============== ========================================== ==============================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.matcher.reference import Reference
from entity_matching.records import KEY

CANDIDATE = pa.struct([pa.field("entity_id", pa.string()), pa.field("confidence", pa.float64())])
RESULT = pa.schema(
    [
        pa.field("source_key", pa.string()),
        pa.field("decision", pa.string()),
        pa.field("entity_id", pa.string()),
        pa.field("confidence", pa.float64()),
        pa.field("method", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("candidates", pa.list_(CANDIDATE)),
    ]
)
"""Arrow schema of the answer."""


@dataclass(frozen=True)
class Decided:
    """Decisions on some source rows.

    ``rows``: the source rows. ``decision``, ``method``, ``reason``: one each. Their ranked candidates are
    ``reference[offsets[i]:offsets[i + 1]]`` (rows of the reference) with ``confidence`` beside them.
    """

    rows: NDArray[np.int64]
    decision: NDArray[np.object_]
    method: NDArray[np.object_]
    reason: Sequence[str]
    offsets: NDArray[np.int64]
    reference: NDArray[np.int64]
    confidence: NDArray[np.float64]

    def to_table(self, sources: pa.Table, reference: Reference) -> pa.Table:
        """Return the decisions as a table of :data:`RESULT`, in the order of ``rows``."""
        keys = reference.keys.take(pa.array(self.reference))
        listed = pa.StructArray.from_arrays(
            [keys, pa.array(self.confidence, type=pa.float64())], fields=list(CANDIDATE)
        )
        candidates = pa.ListArray.from_arrays(pa.array(self.offsets, type=pa.int32()), listed)
        has_any = np.diff(self.offsets) > 0
        first = self.offsets[:-1][has_any]
        best = np.full(len(self.rows), -1, dtype=np.int64)
        best[has_any] = self.reference[first]
        confidence = np.zeros(len(self.rows))
        confidence[has_any] = self.confidence[first]
        named = has_any & (self.decision != "no_match")
        entity = reference.keys.take(pa.array(best, mask=~named))
        columns = [
            sources[KEY].take(pa.array(self.rows)).combine_chunks(),
            pa.array(self.decision, type=pa.string()),
            entity,
            pa.array(confidence, type=pa.float64()),
            pa.array(self.method, type=pa.string()),
            pa.array(self.reason, type=pa.string()),
            candidates,
        ]
        return pa.Table.from_arrays(
            [column.cast(field.type) for column, field in zip(columns, RESULT, strict=True)], schema=RESULT
        )


def assemble(sources: pa.Table, reference: Reference, decided: Sequence[Decided]) -> pa.Table:
    """Put decisions together in the order of the source table."""
    tables = [part.to_table(sources, reference) for part in decided if len(part.rows)]
    if not tables:
        return RESULT.empty_table()
    rows = np.concatenate([part.rows for part in decided if len(part.rows)])
    return pa.concat_tables(tables).take(pa.array(np.argsort(rows, kind="stable"))).combine_chunks()
