"""Candidates and their features, batch by batch, so that memory does not grow with the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.features import Block, FeatureSpace, Pairs
from entity_matching.matcher.reference import Reference
from entity_matching.search import Candidates


@dataclass(frozen=True)
class Compared:
    """Candidates of some source rows with their features.

    ``first``: number of the first source row of the batch; ``rows``: how many source rows it has. The
    candidates' source rows are counted from ``first``.
    """

    first: int
    rows: int
    sources: pa.Table
    candidates: Candidates
    block: Block


def compare(sources: pa.Table, reference: Reference, candidates: Candidates, space: FeatureSpace) -> Block:
    """Compute the features of candidates, search scores and ranks included.

    :param sources: the normalised source table that the candidates' source rows count in.
    """
    pairs = Pairs(sources, reference.table, candidates.source.astype(np.int64), candidates.reference.astype(np.int64))
    return space.compute(pairs, candidates.scores)


def compared_batches(
    sources: pa.Table, reference: Reference, space: FeatureSpace, batch_rows: int
) -> Iterator[Compared]:
    """Search and compare, ``batch_rows`` source records at a time."""
    for first in range(0, sources.num_rows, batch_rows):
        part = sources.slice(first, batch_rows).combine_chunks()
        candidates = reference.index.search(part)
        yield Compared(first, part.num_rows, part, candidates, compare(part, reference, candidates, space))


def without(candidates: Candidates, truth: NDArray[np.int64], hidden: NDArray[np.bool_]) -> Candidates:
    """Take the true counterpart from the candidates of some records, as if the reference lacked it.

    :param truth: reference row of each source row, -1 if none.
    :param hidden: whether the counterpart of each source row is to be hidden.
    """
    is_truth = candidates.reference == truth[candidates.source]
    return candidates.take(~(is_truth & hidden[candidates.source]))
