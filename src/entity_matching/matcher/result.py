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
from dataclasses import dataclass, replace

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
SCORED_CANDIDATE = pa.struct(
    [
        pa.field("entity_id", pa.string()),
        pa.field("rank", pa.int32()),
        pa.field("search_score", pa.float64()),
        pa.field("feature_score", pa.float64()),
        pa.field("ditto_score", pa.float64()),
        pa.field("confidence", pa.float64()),
    ]
)
SCORED = pa.schema(
    [
        *(field.with_type(pa.list_(SCORED_CANDIDATE)) if field.name == "candidates" else field for field in RESULT),
        pa.field("asked", pa.int32()),
        pa.field("asked_ditto", pa.int32()),
    ]
)
"""Arrow schema of the answer with what each stage said of the candidates; see :class:`Scored`."""
_DECIMALS = 5
"""Decimals of a search score; it has no more."""


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

    @classmethod
    def none(cls) -> Decided:
        """Return no decisions at all."""
        rows, words = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=object)
        return cls(rows, words, words, [], np.zeros(1, dtype=np.int64), rows, np.zeros(0))

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

    def within(self, rows: NDArray[np.int64]) -> Decided:
        """Return the same decisions on rows of a larger table.

        :param rows: which of its rows are those that were decided on.
        """
        return replace(self, rows=rows[self.rows])


@dataclass(frozen=True)
class Scored:
    """Decisions on source rows that were scored, with what each stage said of the candidates that are listed.

    ``search``: fused score of the candidate search; ``features``: probability by the feature scorer, shared with the
    record's rivals; ``ditto``: probability by Ditto, NaN where it was not asked; each 0 to 1, beside
    ``decided.reference``. ``asked``: candidates of each record that were scored; ``asked_ditto``: that Ditto read;
    beside ``decided.rows``.
    """

    decided: Decided
    search: NDArray[np.float64]
    features: NDArray[np.float64]
    ditto: NDArray[np.float64]
    asked: NDArray[np.int32]
    asked_ditto: NDArray[np.int32]

    def to_table(self, sources: pa.Table, reference: Reference) -> pa.Table:
        """Return the decisions as a table of :data:`SCORED`, in the order of ``decided.rows``."""
        table = self.decided.to_table(sources, reference)
        listed = table["candidates"].combine_chunks()
        plain = listed.flatten()
        offsets = self.decided.offsets
        rank = np.arange(len(plain)) - np.repeat(offsets[:-1], np.diff(offsets)) + 1
        columns = [
            plain.field("entity_id"),
            pa.array(rank, pa.int32()),
            pa.array(np.round(self.search, _DECIMALS)),
            pa.array(self.features),
            pa.array(self.ditto, from_pandas=True),  # NaN becomes null
            plain.field("confidence"),
        ]
        candidates = pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(columns, fields=list(SCORED_CANDIDATE))
        )
        table = table.set_column(table.column_names.index("candidates"), "candidates", candidates)
        asked = [pa.array(self.asked, pa.int32()), pa.array(self.asked_ditto, pa.int32())]
        return pa.Table.from_arrays([*table.columns, *asked], schema=SCORED)


def assemble(sources: pa.Table, reference: Reference, decided: Sequence[Decided]) -> pa.Table:
    """Put decisions together in the order of the source table."""
    tables = [part.to_table(sources, reference) for part in decided if len(part.rows)]
    if not tables:
        return RESULT.empty_table()
    rows = np.concatenate([part.rows for part in decided if len(part.rows)])
    if len(tables) == 1 and np.all(rows[1:] > rows[:-1]):
        return tables[0]
    return pa.concat_tables(tables).take(pa.array(np.argsort(rows, kind="stable"))).combine_chunks()
