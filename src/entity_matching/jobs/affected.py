"""Records whose decision may change because the reference did: the rule, and its function over batches.

A record is taken if one of these holds:

- its entity, or a candidate that its row in gold lists, was changed or removed;
- it shares a strong identifier, or all of its name, with a reference record that was added, changed or removed;
- it was not decided exactly, and an added or changed record is at least as near to it as the third nearest of its
  listed candidates (setting ``nearest``), all of them measured in the present reference;
- it hangs by a thread: its confidence is within 0.1 (setting ``doubt``) of where decisions change, or its best
  candidate is ahead of the next by less than that.

What the first three do not see: candidates that gold does not list (a record is scored against 30 and lists 5), which
can shift a confidence through their rank and number, and the weights of words, which any change of the reference
shifts a little. Measured on companies with up to a quarter of the reference changed, this moved a confidence by less
than 0.1, and the last rule takes the records to which that matters: no decision differed from that of a full run. It is
a measured rule, not a proof; ``--full`` matches everything.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.jobs.batches import regrouped
from entity_matching.jobs.changes import Mask
from entity_matching.jobs.neighbourhood import Neighbourhood
from entity_matching.normalize import normalize_table
from entity_matching.schema import Key, Schema, Side

EXACT = ("identifier", "exact_name")
"""Methods that decide without a score."""
KEPT = ["source_system", "source_id", "content_hash", "attributes"]
"""Columns that are handed on."""


_lock = threading.Lock()
"""Two partitions in one process must not both compare the references."""


@dataclass(frozen=True)
class Question:
    """Which records to look for.

    ``old``, ``present``: folders of the saved references. ``schema``: of the records, as JSON. ``nearest``: place among
    a record's candidates that something new must reach to count, from 1. ``batch_rows``: records looked at at once.
    ``columns``: per source system the columns that its records have; ``None``: all have all that the schema reads.
    """

    old: str
    present: str
    schema: str
    nearest: int
    batch_rows: int
    columns: Mapping[str, tuple[str, ...]] | None = None


def affected(question: Question, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass on the records that the changes may concern.

    :param batches: the columns :data:`KEPT`, ``method``, ``doubtful`` (bool) and ``listed`` (keys of the candidates).
    """
    for table in regrouped(batches, question.batch_rows):
        near = _neighbourhood(question)
        hit = np.zeros(table.num_rows, dtype=np.bool_)
        for names, rows in _alike(question, table):
            hit[rows] = concerned(table.take(pa.array(rows)), near, question.nearest, names)
        yield from table.filter(pa.array(hit)).select(KEPT).to_batches()


def concerned(table: pa.Table, near: Neighbourhood, nearest: int, columns: Sequence[str] | None = None) -> Mask:
    """Say which records the changes may concern.

    :param table: records as :func:`affected` gets them.
    :param nearest: place among a record's candidates that something new must reach to count, from 1.
    :param columns: the columns that the records have; by default all that the schema reads.
    """
    listed = table["listed"].cast(pa.list_(pa.string())).combine_chunks()
    hit: Mask = table["doubtful"].to_numpy().astype(np.bool_) | near.touches(listed)
    rest = np.flatnonzero(~hit)
    sources = _normalized(table["attributes"].combine_chunks().take(pa.array(rest)), near.schema, columns)
    hit[rest] = near.agrees(sources)
    is_scored = ~pc.is_in(table["method"].cast(pa.string()), value_set=pa.array(EXACT)).to_numpy().astype(bool)
    place = np.flatnonzero(~hit[rest] & is_scored[rest])
    sources, listed = sources.take(pa.array(place)).combine_chunks(), listed.take(pa.array(rest[place]))
    hit[rest[place]] = near.comes_near(sources, listed, nearest)
    return hit


def _normalized(attributes: pa.MapArray, schema: Schema, columns: Sequence[str] | None) -> pa.Table:
    """Normalise source records that are given as maps of their columns."""
    names = sorted({attribute.column_on(Side.SOURCE) for attribute in schema.attributes})
    chosen = names if columns is None else [name for name in names if name in columns]
    found = {name: pc.map_lookup(attributes, pa.scalar(name), "first") for name in chosen}
    keyless = schema.model_copy(update={"key": Key()})
    # a table without columns has no rows either
    return normalize_table(pa.table({"": pa.nulls(len(attributes)), **found}), keyless, Side.SOURCE).combine_chunks()


def _alike(question: Question, table: pa.Table) -> Iterator[tuple[tuple[str, ...] | None, npt.NDArray[np.int64]]]:
    """Part records by the columns they have."""
    if question.columns is None:
        yield None, np.arange(table.num_rows)
        return
    systems = table["source_system"].cast(pa.string())
    for names in dict.fromkeys(question.columns.get(system, ()) for system in systems.unique().to_pylist()):
        having = [system for system in systems.unique().to_pylist() if question.columns.get(system, ()) == names]
        yield names, np.flatnonzero(pc.is_in(systems, value_set=pa.array(having, pa.string())).to_numpy())


def _neighbourhood(question: Question) -> Neighbourhood:
    with _lock:
        return _loaded(question.old, question.present, question.schema)


@functools.lru_cache(maxsize=2)
def _loaded(old: str, present: str, schema: str) -> Neighbourhood:
    return Neighbourhood.load(Path(old), Path(present), Schema.model_validate_json(schema))
