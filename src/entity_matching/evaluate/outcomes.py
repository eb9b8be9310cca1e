"""What became of each labelled record: the result of a match, joined with the truth."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.errors import InputError, LabelsError
from entity_matching.normalize.strings import to_strings

log = logging.getLogger(__name__)

RESULT_COLUMNS = ("source_key", "decision", "entity_id", "confidence", "method", "candidates")
LABEL_COLUMNS = ("source_key", "reference_key")

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Strings = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Arrays with one entry per labelled source record, shape (records,), in the order of the result.

    ``row``: the record's row in the result, from 0. ``best``: the reference key of the best candidate,
    also where the decision is ``no_match``; "" if there is none. ``true``: the right reference key; "" if
    the record has no counterpart. ``confidence``: 0 to 1, that the best candidate is the right one.
    ``right``: the best candidate is the right one. ``accepted``: the decision is ``match``. ``rank``: place
    of the right one among the candidates listed, from 1; 0 if it is not there.

    ``unlabelled`` counts result rows without a label (they are left out), ``unknown`` labels whose record
    is not in the result, ``listed`` the candidates of the longest list.
    """

    row: Integers
    source_key: Strings
    best: Strings
    true: Strings
    confidence: Floats
    decision: Strings
    method: Strings
    rank: Integers
    unlabelled: int = 0
    unknown: int = 0
    listed: int = 0

    def __len__(self) -> int:
        return len(self.row)

    @property
    def has_truth(self) -> Booleans:
        """Whether the record has a counterpart."""
        return np.asarray(self.true != "", dtype=bool)

    @property
    def asserted(self) -> Booleans:
        """Whether there is a best candidate, and so a confidence that means something."""
        return np.asarray(self.best != "", dtype=bool)

    @property
    def right(self) -> Booleans:
        """Whether the best candidate is the right record."""
        return np.asarray((self.best == self.true) & (self.true != ""), dtype=bool)

    @property
    def accepted(self) -> Booleans:
        """Whether the best candidate was accepted without a person's look."""
        return np.asarray(self.decision == "match", dtype=bool)


def texts(column: Any) -> Strings:
    """Return an Arrow array, chunked or not, as trimmed texts without nulls, shape (rows,)."""
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return np.asarray(to_strings(chunked).to_numpy(zero_copy_only=False), dtype=object)


def join_outcomes(result: Any, labels: Any) -> Outcomes:
    """Join the result of a match with labels on the source key.

    :param result: the table that ``match`` returns, or anything with ``__arrow_c_stream__`` of its columns.
    :param labels: columns ``source_key`` and ``reference_key`` (null or "": the record has no counterpart).
    :return: the labelled records' outcomes.
    :raises InputError: if a column is missing, or a source key is in the result twice.
    :raises LabelsError: if two labels contradict each other, or no label fits a record.
    """
    result = _table(result, "the result", RESULT_COLUMNS)
    labels = _table(labels, "the labels", LABEL_COLUMNS)
    truth = _truth(labels)
    keys = texts(result["source_key"]).tolist()
    twice = [key for key, times in Counter(keys).items() if times > 1]
    if twice:
        raise InputError(
            f"the key '{twice[0]}' is there twice.",
            file="the result",
            column="source_key",
            remedy="Evaluate one row per source record.",
        )
    rows = np.array([row for row, key in enumerate(keys) if key in truth], dtype=np.int64)
    if not len(rows):
        example = f" They look like '{keys[0]}', the labels' like '{next(iter(truth))}'." if keys and truth else ""
        raise LabelsError(
            f"none of the {len(truth):,} labels names one of the {len(keys):,} source records.{example}",
            file="the labels",
            column="source_key",
            remedy="Check that the labels belong to this source table and name its key column.",
        )
    unknown = len(truth) - len(rows)
    if unknown:
        log.warning("%d of %d labels name a record that is not in the result; they are left out", unknown, len(truth))
    labelled = result.take(pa.array(rows))
    true = np.array([truth[keys[row]] for row in rows], dtype=object)
    best, rank, listed = _candidates(labelled, true)
    return Outcomes(
        row=rows,
        source_key=texts(labelled["source_key"]),
        best=best,
        true=true,
        confidence=_numbers(labelled["confidence"]),
        decision=texts(labelled["decision"]),
        method=texts(labelled["method"]),
        rank=rank,
        unlabelled=len(keys) - len(rows),
        unknown=unknown,
        listed=listed,
    )


def _table(data: Any, name: str, columns: tuple[str, ...]) -> Any:
    table = data if isinstance(data, pa.Table) else pa.table(data)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise InputError(
            f"there is no column '{missing[0]}'. Its columns are: {', '.join(table.column_names)}.",
            file=name,
            remedy=f"Expected are the columns {', '.join(columns)}.",
        )
    return table


def _truth(labels: Any) -> dict[str, str]:
    truth: dict[str, str] = {}
    pairs = zip(*(texts(labels[column]).tolist() for column in LABEL_COLUMNS), strict=True)
    for source, reference in pairs:
        before = truth.setdefault(source, reference)
        if before != reference:
            raise LabelsError(
                f"'{source}' is labelled '{before}' and '{reference}'.",
                file="the labels",
                column="reference_key",
                remedy="Keep one label per source record.",
            )
    return truth


def _numbers(column: Any) -> Floats:
    # A null confidence is that of a record with no candidate: nothing is asserted.
    return np.nan_to_num(np.asarray(column.to_numpy(), dtype=np.float64), nan=0.0)


def _candidates(labelled: Any, true: Strings) -> tuple[Strings, Integers, int]:
    """Return each record's best candidate, the rank of the right one, and the length of the longest list."""
    lists = labelled["candidates"].combine_chunks()
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False), dtype=np.int64)
    parents = np.asarray(pc.list_parent_indices(lists).to_numpy(zero_copy_only=False), dtype=np.int64)
    listed = texts(pc.struct_field(pc.list_flatten(lists), "entity_id"))
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]

    best = texts(labelled["entity_id"])
    from_list = (best == "") & (lengths > 0)
    best[from_list] = listed[starts[from_list]]

    rank = np.zeros(len(true), dtype=np.int64)
    hits = np.flatnonzero((listed == true[parents]) & (true[parents] != ""))[::-1]  # backwards: the first hit stays
    rank[parents[hits]] = hits - starts[parents[hits]] + 1
    # An exact match may come without a list: what was chosen then stands first.
    rank[(lengths == 0) & (best == true) & (true != "")] = 1
    return best, rank, int(lengths.max(initial=0))
