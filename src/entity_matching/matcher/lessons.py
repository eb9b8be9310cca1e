"""What Ditto is taught: pairs of records, where each comes from, and a split that keeps entities apart."""

from __future__ import annotations

import enum
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.ditto.pairs import RecordPairs
from entity_matching.ditto.serialize import serialize
from entity_matching.matcher.compare import without
from entity_matching.matcher.exact import IDENTIFIER, exact_matches
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.reader import PairReader
from entity_matching.matcher.reference import Reference
from entity_matching.schema import Kind, Schema

log = logging.getLogger(__name__)


class Provenance(enum.StrEnum):
    """How it is known whether a pair is a match.

    ``LABEL``: a person said so. ``IDENTIFIER``, ``EXACT_NAME``: the two share a strong identifier, or a name that
    only they have; it is hidden from the model. ``NOISE``: one is a noisy copy of the other. ``SEARCH``: no match,
    since the search found it for a record whose match is another, or that has none.
    """

    LABEL = "label"
    IDENTIFIER = "identifier"
    EXACT_NAME = "exact_name"
    NOISE = "noise"
    SEARCH = "search"


@dataclass(frozen=True)
class Lesson:
    """Pairs of one provenance, with the non-matches that the search found beside them.

    ``provenance``: of the matches. ``entity``: number of each pair's entity, shape (pairs,). ``hidden``: attributes
    that the model does not see.
    """

    pairs: RecordPairs
    provenance: Provenance
    entity: NDArray[np.int64]
    hidden: tuple[str, ...] = ()

    @property
    def has_both(self) -> bool:
        """Whether there is a match among the pairs, and one that is none."""
        return bool(self.pairs.matches.any() and not self.pairs.matches.all())

    def take(self, chosen: NDArray[np.bool_]) -> Lesson:
        """Return some of the pairs, by mask."""
        return Lesson(self.pairs.take(chosen), self.provenance, self.entity[chosen], self.hidden)

    def split(self, share: float, rng: np.random.Generator) -> tuple[Lesson, Lesson]:
        """Put entities aside at random, all pairs of an entity on one side.

        :param share: of the entities that have a match among the pairs, and of those that have none; each side
            gets a match, and a pair that is none, if there are two of the kind.
        :returns: the pairs that stay, and those put aside.
        """
        with_match = np.unique(self.entity[self.pairs.matches])
        others = np.setdiff1d(np.unique(self.entity), with_match)
        aside = np.concatenate([_draw(with_match, share, rng), _draw(others, share, rng)])
        held = np.isin(self.entity, aside)
        return self.take(~held), self.take(held)

    def to_table(self, split: str) -> pa.Table:
        """Return the pairs in Ditto's form, with their provenance.

        :param split: what they serve for, e.g. "train".
        :returns: columns ``left``, ``right``, ``match``, ``provenance``, ``hidden``, ``split``.
        """
        sides = [
            [serialize(records[row]) for row in rows]
            for records, rows in zip((self.pairs.left, self.pairs.right), self.pairs.pairs.T.tolist(), strict=True)
        ]
        size = len(self.pairs)
        return pa.table(
            {
                "left": pa.array(sides[0], pa.string()),
                "right": pa.array(sides[1], pa.string()),
                "match": pa.array(self.pairs.matches),
                "provenance": np.where(self.pairs.matches, self.provenance.value, Provenance.SEARCH.value).tolist(),
                "hidden": pa.array([list(self.hidden)] * size, pa.list_(pa.string())),
                "split": pa.array([split] * size, pa.string()),
            }
        )


def lesson(examples: Examples, reference: pa.Table, reader: PairReader, provenance: Provenance) -> Lesson:
    """Return what examples teach.

    :param examples: with their sources.
    :param reference: the normalised table that their references are rows of.
    """
    assert examples.sources is not None
    pairs = reader.pairs(
        examples.sources, reference, examples.record, examples.reference, examples.match, provenance.value
    )
    return Lesson(pairs, provenance, examples.group[examples.record])


def weak_lessons(
    sources: pa.Table, reference: Reference, schema: Schema, reader: PairReader, most: int, rng: np.random.Generator
) -> list[Lesson]:
    """Return what can be learnt from records that share a strong identifier or a name that only they have.

    What shows that they match is hidden, so that the model learns from the rest; where nothing would be left,
    there is nothing to learn.

    :param sources: normalised.
    :param most: records taken at most, drawn at random; logged when it bites.
    """
    found = exact_matches(sources, reference.table, schema)
    lessons = []
    for by_identifier in (True, False):
        kind = Kind.IDENTIFIER if by_identifier else Kind.NAME
        shown = reader.serializer.schema.attributes
        hidden = tuple(attribute.name for attribute in shown if attribute.kind is kind)
        rows = np.flatnonzero((found.reference >= 0) & ((found.method == IDENTIFIER) == by_identifier))
        if not len(rows) or len(hidden) == len(shown):
            continue
        if len(rows) > most:
            log.info("of %d records that match by their %s, %d are learnt from", len(rows), kind.value, most)
            rows = np.sort(rng.choice(rows, most, replace=False))
        provenance = Provenance.IDENTIFIER if by_identifier else Provenance.EXACT_NAME
        records = sources.take(pa.array(rows))
        lessons.append(_weak(records, found.reference[rows], reference, reader, hidden, provenance))
    return [one for one in lessons if one.has_both]


def _weak(
    sources: pa.Table,
    truth: NDArray[np.int64],
    reference: Reference,
    reader: PairReader,
    hidden: tuple[str, ...],
    provenance: Provenance,
) -> Lesson:
    candidates = without(reference.index.search(sources), truth, np.ones(len(truth), dtype=bool))
    left = np.concatenate([np.arange(len(truth)), candidates.source.astype(np.int64)])
    right = np.concatenate([truth, candidates.reference.astype(np.int64)])
    matches = np.arange(len(left)) < len(truth)
    pairs = reader.pairs(sources, reference.table, left, right, matches, provenance.value, hidden)
    return Lesson(pairs, provenance, truth[left], hidden)


def _draw(entities: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a share of entities, at least one of two, never all."""
    wanted = min(len(entities) - 1, max(1, round(share * len(entities))))
    return rng.permutation(entities)[: max(wanted, 0)]


def summary(lessons: Sequence[Lesson]) -> dict[str, int]:
    """Return how many pairs there are of each provenance."""
    counts: dict[str, int] = {}
    for one in lessons:
        matches = int(one.pairs.matches.sum())
        counts[one.provenance.value] = counts.get(one.provenance.value, 0) + matches
        counts[Provenance.SEARCH.value] = counts.get(Provenance.SEARCH.value, 0) + len(one.pairs) - matches
    return counts
