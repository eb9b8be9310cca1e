"""What a model learns from: labels, review decisions, and what identifiers and unique names say by themselves."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.attributes import ENTITY, ID, RECORD, SYSTEM, record_keys, records_of
from entity_matching.jobs.reviews import last_words
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.tables import LABELED_PAIRS, REFERENCE_ENTITIES, SOURCE_ENTITIES
from entity_matching.matcher.exact import IDENTIFIER, exact_matches
from entity_matching.matcher.folds import entities
from entity_matching.schema import Schema, Side

log = logging.getLogger(__name__)

REVIEW, LABEL, EXACT_NAME = "review", "label", "exact_name"
TRAIN, EVALUATION = "train", "evaluation"
LEAST_ENTITIES = 10
"""Labelled entities without which none are put aside to evaluate on: they would say nothing."""

Strings = NDArray[np.object_]


@dataclass(frozen=True)
class Stored:
    """What the tables hold.

    ``labels``: columns :data:`RECORD`, :data:`ENTITY` ("": none of the reference) and ``provenance``, one row per
    source record. ``schema``: by which the records were read.
    """

    source: pa.Table
    reference: pa.Table
    labels: pa.Table
    schema: Schema

    @classmethod
    def read(cls, lake: Lakehouse, schema: Schema, limit: int) -> Stored:
        """Read the reference, the labels, and source records.

        :param limit: source records that are read at most, labelled ones first, the others as their hashes fall.
        :raises EntityMatchingError: if there is no reference.
        """
        reference = records_of(lake.read(REFERENCE_ENTITIES), schema, Side.REFERENCE)
        if not reference.num_rows:
            raise EntityMatchingError(
                f"The catalog '{lake.settings.catalog}' has no reference records.",
                remedy="Load them first: entity-matching run setup-unity-catalog -- --reference FILE",
            )
        total = lake.read(SOURCE_ENTITIES).count()
        if total > limit:
            log.warning("%s of %s source records are read; --source-limit allows no more", f"{limit:,}", f"{total:,}")
        source = records_of(lake.sql(_sources(lake, limit)), schema, Side.SOURCE)
        return cls(source, reference, _usable(lake.sql(_labels(lake)).toArrow(), source, reference), schema)

    def for_schema(self, lake: Lakehouse, schema: Schema) -> Stored:
        """Return the same records as another schema reads them: those of these tables that are still there."""
        if schema == self.schema:
            return self
        reference = records_of(lake.read(REFERENCE_ENTITIES), schema, Side.REFERENCE)
        source = records_of(lake.read(SOURCE_ENTITIES), schema, Side.SOURCE)
        chosen = pc.is_in(source[RECORD], value_set=self.source[RECORD].combine_chunks())
        return replace(self, source=source.filter(chosen), reference=reference, schema=schema)


def _labels(lake: Lakehouse) -> str:
    """Return the statement that gives labels; what a reviewer said goes before what was brought along."""
    return (
        "SELECT coalesce(r.source_system, l.source_system) AS source_system,"
        " coalesce(r.source_id, l.source_id) AS source_id,"
        " coalesce(CASE WHEN r.source_id IS NOT NULL THEN r.entity_id ELSE l.entity_id END, '') AS entity_id,"
        f" CASE WHEN r.source_id IS NOT NULL THEN '{REVIEW}' ELSE '{LABEL}' END AS provenance"
        f" FROM {lake.name(LABELED_PAIRS)} l FULL OUTER JOIN"
        " (SELECT source_system, source_id, CASE WHEN decision = 'match' THEN entity_id END AS entity_id"
        f" FROM {last_words(lake)}) r"
        " ON l.source_system = r.source_system AND l.source_id = r.source_id"
    )


def _sources(lake: Lakehouse, limit: int) -> str:
    return (
        f"SELECT s.* FROM {lake.name(SOURCE_ENTITIES)} s LEFT JOIN ({_labels(lake)}) k"
        " ON s.source_system = k.source_system AND s.source_id = k.source_id"
        " ORDER BY k.source_id IS NULL, s.content_hash, s.source_system, s.source_id"
        f" LIMIT {limit}"
    )


def _usable(labels: pa.Table, source: pa.Table, reference: pa.Table) -> pa.Table:
    """Return the labels that speak of records that are there."""
    records = record_keys(labels["source_system"], labels["source_id"])
    table = pa.table({RECORD: records, ENTITY: labels["entity_id"], "provenance": labels["provenance"]})
    known = pc.is_in(records, value_set=source[RECORD].combine_chunks())
    named = pc.or_(pc.equal(table[ENTITY], ""), pc.is_in(table[ENTITY], value_set=reference[ENTITY].combine_chunks()))
    for usable, what in ((known, "source records that are not in the tables"), (named, "entities that are not")):
        missing = table.num_rows - (pc.sum(usable).as_py() or 0)
        if missing:
            log.warning("%s labels are left out: they speak of %s.", f"{missing:,}", what)
    return table.filter(pc.and_(known, named)).sort_by(RECORD)


@dataclass(frozen=True)
class Pairs:
    """What is known, one entry per source record, shape (pairs,).

    ``record``: its key. ``entity``: the reference record it denotes, "" for none. ``provenance``: ``review``,
    ``label``, ``identifier`` or ``exact_name``. ``evaluation``: whether it is kept from training.
    """

    record: Strings
    entity: Strings
    provenance: Strings
    evaluation: NDArray[np.bool_]

    @classmethod
    def gather(
        cls, labels: pa.Table, source: pa.Table, reference: pa.Table, schema: Schema, *, share: float, seed: int
    ) -> Pairs:
        """Put together labels and what identifiers and unique names say of the other records.

        :param source: the normalised source records.
        :param reference: the normalised reference.
        :param share: of the labelled entities, put aside for evaluation, 0 to 1. No entity is on both sides, whether
            labels, identifiers or names connect its records.
        """
        found = exact_matches(source, reference, schema)
        keys = source["__key"].combine_chunks()
        labelled = pc.is_in(keys, value_set=labels[RECORD].combine_chunks()).to_numpy(zero_copy_only=False)
        weak = np.flatnonzero((found.reference >= 0) & ~labelled)
        named = reference["__key"].combine_chunks().take(pa.array(found.reference[weak]))
        record = np.r_[_objects(labels[RECORD]), _objects(keys.take(pa.array(weak)))]
        entity = np.r_[_objects(labels[ENTITY]), _objects(named)]
        method = np.where(found.method[weak] == IDENTIFIER, IDENTIFIER, EXACT_NAME).astype(object)
        provenance = np.r_[_objects(labels["provenance"]), method]
        chosen = held_out(record, entity, labels.num_rows, share, seed)
        return cls(record, entity, provenance, chosen)

    def __len__(self) -> int:
        return len(self.record)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Whether a person said so."""
        return np.isin(self.provenance.astype(str), (REVIEW, LABEL))

    def labels(self, *, evaluation: bool) -> pa.Table:
        """Return the labels of one side, as a matcher takes them."""
        chosen = self.labelled & (self.evaluation == evaluation)
        return pa.table(
            {
                "source_key": pa.array(self.record[chosen], pa.string()),
                "reference_key": pa.array(self.entity[chosen], pa.string()),
            }
        )

    def to_table(self, source: pa.Table, training_id: str, time: datetime) -> pa.Table:
        """Return the rows of ``silver.training_pairs``."""
        place = pc.index_in(pa.array(self.record, pa.string()), value_set=source[RECORD].combine_chunks())
        size = len(self)
        return pa.table(
            {
                "training_id": pa.array([training_id] * size, pa.string()),
                "source_system": source[SYSTEM].take(place),
                "source_id": source[ID].take(place),
                "entity_id": pa.array(self.entity, pa.string()),
                "is_match": pa.array(self.entity != "", pa.bool_()),
                "provenance": pa.array(self.provenance, pa.string()),
                "split": pa.array(np.where(self.evaluation, EVALUATION, TRAIN).tolist(), pa.string()),
                "created_at": pa.array([time] * size, pa.timestamp("us", "UTC")),
            }
        )


def held_out(record: Strings, entity: Strings, labelled: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose what is kept from training: a share of the entities that labels name.

    Entities are put in the order of a hash of their name, and the first are taken. So the choice hardly changes when
    labels are added, and what a model is compared on stays unseen by the next one.

    :param labelled: so many pairs, the first ones, are labels.
    :returns: whether each pair is kept from training, shape (pairs,).
    """
    group = entities(record.tolist(), entity.tolist())
    ordered = _by_hash(record, entity, group, labelled, seed)
    wanted = round(share * len(ordered)) if len(ordered) >= LEAST_ENTITIES else 0
    if share and not wanted and labelled:
        log.warning("None of the %d labelled entities are kept for evaluation: too few.", len(ordered))
    return np.asarray(np.isin(group, ordered[:wanted]))


def _by_hash(record: Strings, entity: Strings, group: NDArray[np.int64], labelled: int, seed: int) -> Sequence[int]:
    names: dict[int, str] = {}
    for number, key, source in zip(group.tolist(), entity.tolist(), record.tolist(), strict=True):
        name = f"entity {key}" if key else f"record {source}"
        names[number] = min(name, names.get(number, name))
    known = set(group[:labelled].tolist())
    return sorted(known, key=lambda number: hashlib.sha256(f"{seed} {names[number]}".encode()).digest())


def _objects(column: pa.Array | pa.ChunkedArray) -> Strings:
    return np.array(column.to_pylist(), dtype=object)
