"""What runs beside the data: records in, decisions out, batch by batch, by ``mapInArrow``.

Each function takes plain values that can be sent to another process, and reads the model and the reference there, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from entity_matching.jobs.batches import regrouped
from entity_matching.jobs.loaded import loaded_matcher, loaded_reference
from entity_matching.matcher.model import Model
from entity_matching.matcher.reference import Reference
from entity_matching.matcher.result import RESULT, SCORED
from entity_matching.normalize import normalize_table
from entity_matching.schema import Key, Side

Batches = Iterator[pa.RecordBatch]

SETTLED = ("entity_id", "confidence", "method", "reason", "conflict")
"""What :func:`settle` adds to a record."""
JUDGED = tuple(name for name in SCORED.names if name != "source_key")
"""What :func:`score` adds to a record."""
DECIDED = tuple(name for name in RESULT.names if name != "source_key")
"""What :func:`match` adds to a record."""


@dataclass(frozen=True)
class Work:
    """What a worker needs to know.

    ``model``, ``reference``: folders. ``columns``: names of the records' columns, each with the column in which its
    values are handed over. ``handed_on``: columns that come out as they went in; ``added``: names of those beside
    them. ``batch_rows``: records worked on at once. ``cascade``: whether only candidates in doubt go to Ditto;
    otherwise all do. ``present``: names of the columns that the records of each system have, whose name is in the
    column ``system``; ``None``: all have all. An attribute that a system does not have is not compared, as it is not
    in a file that lacks its column.
    """

    model: str
    reference: str
    columns: Mapping[str, str]
    handed_on: tuple[str, ...]
    added: tuple[str, ...]
    batch_rows: int
    cascade: bool = True
    present: Mapping[str, tuple[str, ...]] | None = None
    system: str = "source_system"


def settle(work: Work, batches: Batches) -> Batches:
    """Do the exact stage: hand on the records with :data:`SETTLED`, null where nothing was decided."""

    def decide(model: Model, reference: Reference, sources: pa.Table, _given: pa.Table) -> pa.Table:
        decided, conflicts = model.settle(sources, reference)
        place = np.full(sources.num_rows, -1, dtype=np.int64)
        place[decided.rows] = np.arange(len(decided.rows))
        found = decided.to_table(sources, reference).take(pa.array(place, mask=place < 0))
        conflict = pa.array(conflicts, pa.string(), mask=conflicts == "")
        return found.append_column("conflict", conflict).select(SETTLED)

    return _mapped(work, batches, decide)


def score(work: Work, batches: Batches) -> Batches:
    """Score records and decide them: hand them on with :data:`JUDGED`. They have the column ``conflict``."""

    def decide(model: Model, reference: Reference, sources: pa.Table, given: pa.Table) -> pa.Table:
        conflicts = np.array(["" if name is None else name for name in given["conflict"].to_pylist()], dtype=object)
        parts = [part.to_table(sources, reference) for part in model.score(sources, reference, conflicts)]
        return pa.concat_tables(parts).select(JUDGED)

    return _mapped(work, batches, decide)


def match(work: Work, batches: Batches) -> Batches:
    """Decide records by all stages: hand them on with :data:`DECIDED`."""

    def decide(model: Model, reference: Reference, sources: pa.Table, _given: pa.Table) -> pa.Table:
        return model.decide(sources, reference).select(DECIDED)

    return _mapped(work, batches, decide)


Decide = Callable[[Model, Reference, pa.Table, pa.Table], pa.Table]
"""From model, reference, normalised records and the same as given to columns beside the records."""


def _mapped(work: Work, batches: Batches, decide: Decide) -> Batches:
    for table in regrouped(batches, work.batch_rows):
        model = loaded_matcher(work.model, cascade=work.cascade).model
        reference = loaded_reference(work.reference)
        schema = model.space.schema.model_copy(update={"key": Key()})
        for columns, given in _alike(work, table):
            records = given.select([work.columns[name] for name in columns]).rename_columns(list(columns))
            sources = normalize_table(records, schema, Side.SOURCE).combine_chunks()
            out = given.select(work.handed_on)
            for name, column in zip(work.added, decide(model, reference, sources, given).columns, strict=True):
                out = out.append_column(name, column)
            yield from out.combine_chunks().to_batches()


def _alike(work: Work, table: pa.Table) -> Iterator[tuple[tuple[str, ...], pa.Table]]:
    """Part records by the columns they have."""
    if work.present is None:
        yield tuple(work.columns), table
        return
    systems = table[work.system].combine_chunks().dictionary_encode()
    having = [work.present.get(system, ()) for system in systems.dictionary.to_pylist()]
    kinds = {columns: number for number, columns in enumerate(dict.fromkeys(having))}
    kind = np.array([kinds[columns] for columns in having], dtype=np.int64)[systems.indices.to_numpy()]
    for columns, number in kinds.items():
        rows = np.flatnonzero(kind == number)
        yield columns, table if len(rows) == table.num_rows else table.take(pa.array(rows)).combine_chunks()
