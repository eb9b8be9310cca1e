"""What a scorer learns from: compared candidates whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.config import ScorerSettings
from entity_matching.features import Block, Feature, FeatureSpace
from entity_matching.matcher.compare import compare, without
from entity_matching.matcher.reference import Reference
from entity_matching.noise import ColumnProfile, decoy_records, exact_records, noisy_records
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side
from entity_matching.search import Candidates


@dataclass(frozen=True)
class Examples:
    """Candidates of records whose counterpart is known.

    ``matrix``: features of each pair, shape (pairs, features). ``record``: number of each pair's source
    record, ascending. ``reference``: row of each pair's reference record. ``truth``: the reference row that
    each record denotes, shape (records,), -1 if it is none of them; a true one that the search did not find
    is the truth all the same. ``group``: the entity of each record, for folds. ``sources``: the records
    themselves, normalised, for a model that reads them; ``None`` where examples of several tables were joined.
    ``counterfactual``: whether each record stands here a second time, its counterpart hidden from the candidates as if
    the reference lacked it; such records are learnt from, but not measured on.
    """

    features: tuple[Feature, ...]
    matrix: NDArray[np.float32]
    record: NDArray[np.int64]
    reference: NDArray[np.int64]
    truth: NDArray[np.int64]
    group: NDArray[np.int64]
    sources: pa.Table | None = None
    counterfactual: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        """Take records for real where nothing else is said."""
        if not len(self.counterfactual):
            object.__setattr__(self, "counterfactual", np.zeros(len(self.truth), dtype=np.bool_))

    @property
    def match(self) -> NDArray[np.bool_]:
        """Whether each pair is a match."""
        return np.asarray(self.truth[self.record] == self.reference, dtype=np.bool_)

    @property
    def real(self) -> NDArray[np.bool_]:
        """Whether each pair is of a record that stands here for itself, not a second time; shape (pairs,)."""
        return np.asarray(~self.counterfactual[self.record], dtype=np.bool_)

    @classmethod
    def of(
        cls,
        sources: pa.Table,
        candidates: Candidates,
        block: Block,
        truth: NDArray[np.int64],
        group: NDArray[np.int64],
    ) -> Examples:
        """Make examples of compared candidates of the given records."""
        record, reference = candidates.source.astype(np.int64), candidates.reference.astype(np.int64)
        return cls(tuple(block.features), block.matrix(), record, reference, truth, group, sources)

    def of_records(self, chosen: NDArray[np.bool_]) -> Examples:
        """Return the examples of the chosen records, renumbered.

        :param chosen: whether each record is wanted, shape (records,).
        """
        pairs = chosen[self.record]
        number = np.cumsum(chosen) - 1
        return Examples(
            self.features,
            self.matrix[pairs],
            number[self.record[pairs]],
            self.reference[pairs],
            self.truth[chosen],
            self.group[chosen],
            None if self.sources is None else self.sources.filter(pa.array(chosen)),
            self.counterfactual[chosen],
        )

    def of_pairs(self, chosen: NDArray[np.bool_]) -> Examples:
        """Return the examples of all records with the chosen pairs only.

        :param chosen: whether each pair is wanted, shape (pairs,).
        """
        return replace(self, matrix=self.matrix[chosen], record=self.record[chosen], reference=self.reference[chosen])

    def with_features(self, features: tuple[Feature, ...]) -> Examples:
        """Return the same examples with the given features; one that they lack is NaN throughout."""
        if features == self.features:
            return self
        block = Block(len(self.record), list(self.features), list(self.matrix.T))
        matrix = block.matrix(feature.name for feature in features)
        return replace(self, features=features, matrix=matrix)

    def with_block(self, block: Block) -> Examples:
        """Return the same examples with further features, one value per pair."""
        matrix = np.column_stack([self.matrix, block.matrix()])
        return replace(self, features=(*self.features, *block.features), matrix=matrix)

    @classmethod
    def join(cls, parts: Sequence[Examples]) -> Examples:
        """Put examples with the same features one after the other; a group is one entity throughout."""
        tables = [part.sources for part in parts]
        shift = np.cumsum([0, *(len(part.truth) for part in parts)])
        return cls(
            parts[0].features,
            np.concatenate([part.matrix for part in parts]),
            np.concatenate([part.record + start for part, start in zip(parts, shift, strict=False)]),
            np.concatenate([part.reference for part in parts]),
            np.concatenate([part.truth for part in parts]),
            np.concatenate([part.group for part in parts]),
            None if any(table is None for table in tables) else pa.concat_tables(tables, promote_options="default"),
            np.concatenate([part.counterfactual for part in parts]),
        )


def counterfactual_examples(
    sources: pa.Table,
    candidates: Candidates,
    truth: NDArray[np.int64],
    group: NDArray[np.int64],
    reference: Reference,
    space: FeatureSpace,
) -> Examples:
    """Make examples of the same records as if the reference lacked what they denote.

    Labels rarely hold many records without a counterpart; these show what the best candidate looks like when it is
    wrong, in the source's own hand.

    :param candidates: what the search finds for the records.
    :param truth: row of the reference that each record denotes, -1 if none; shape (records,).
    :returns: the records in the same order; those whose counterpart the search did not find have no candidates, since
        they would only say the same twice.
    """
    found = np.zeros(len(truth), dtype=np.bool_)
    found[candidates.source[candidates.reference == truth[candidates.source]]] = True
    rest = without(candidates, truth, found)
    rest = rest.take(found[rest.source])
    examples = Examples.of(sources, rest, compare(sources, reference, rest, space), np.full_like(truth, -1), group)
    return replace(examples, counterfactual=np.ones(len(truth), dtype=np.bool_))


def synthetic_examples(
    raw_reference: pa.Table,
    reference: Reference,
    space: FeatureSpace,
    profiles: dict[str, ColumnProfile],
    settings: ScorerSettings,
    rng: np.random.Generator,
) -> Examples:
    """Make examples from the reference alone: noisy and exact copies of its records.

    Of :data:`HIDDEN` of them the counterpart is hidden, so that the scorer sees records that the reference
    lacks, among the candidates that resemble them most.

    :param raw_reference: the reference table as given.
    :param profiles: what the source looks like, per attribute.
    """
    size = min(settings.synthetic_records, max(raw_reference.num_rows, 1) * 5)
    exact = max(1, size // 8)
    rows = _draw(raw_reference.num_rows, size, rng)
    copies = _draw(raw_reference.num_rows, exact, rng)
    schema = space.schema
    noisy = noisy_records(raw_reference, rows, schema, profiles, rng)
    same = exact_records(raw_reference, copies, schema, profiles, rng)
    parts = [
        _examples(noisy, rows, rows, HIDDEN, reference, space, rng),
        _examples(same, copies, copies, HIDDEN / 2, reference, space, rng),
    ]
    if raw_reference.num_rows < FEW:
        models = _draw(raw_reference.num_rows, size // 4 + 10, rng)
        decoys = decoy_records(raw_reference, models, schema, profiles, rng)
        parts.append(_examples(decoys, np.full(len(models), -1), models, 0.0, reference, space, rng))
    return Examples.join(parts)


FEW = 500
"""References of fewer records get decoys, since their own records are too few to be near misses of each other."""
HIDDEN = 0.2
"""Share of synthetic records whose counterpart is hidden."""


def _draw(rows: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if size <= rows:
        return rng.choice(rows, size=size, replace=False).astype(np.int64)
    return rng.integers(rows, size=size).astype(np.int64)


def _examples(
    records: pa.Table,
    truth: NDArray[np.int64],
    group: NDArray[np.int64],
    hidden_share: float,
    reference: Reference,
    space: FeatureSpace,
    rng: np.random.Generator,
) -> Examples:
    sources = normalize_table(records, _without_key(space.schema), Side.SOURCE).combine_chunks()
    hidden = rng.random(len(truth)) < hidden_share
    candidates = without(reference.index.search(sources), truth, hidden)
    block = compare(sources, reference, candidates, space)
    return Examples.of(sources, candidates, block, np.where(hidden, -1, truth), group)


def _without_key(schema: Schema) -> Schema:
    """Synthetic records have no key of their own."""
    return schema.model_copy(update={"key": schema.key.model_copy(update={"source": None})})
