"""What every way of searching has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import pyarrow as pa

from entity_matching.config import SearchSettings
from entity_matching.search.candidates import Rows, Scores, rank_in_group, ranking


class Hits(NamedTuple):
    """What one searcher found.

    ``source`` and ``reference`` are row numbers, ``score`` is from 0 to 1 (higher is closer); all of
    shape (hits,). Source rows ascend; within one, the best comes first and equal scores are in the order
    of the reference table.
    """

    source: Rows
    reference: Rows
    score: Scores

    @classmethod
    def none(cls) -> Hits:
        """Return no hits at all."""
        return cls(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


class Searcher(Protocol):
    """One way of finding the reference records that may be the same as a source record."""

    name: str
    """What the searcher's score is called among the scores of a candidate."""

    def encode(self, table: pa.Table) -> Any:
        """Bring records into the form that :meth:`search` and :meth:`similarity` take.

        :param table: normalised source records; a column that is not there counts as empty.
        """
        ...

    def search(self, queries: Any, limit: int) -> Hits:
        """Find the closest reference records of each query.

        :param queries: what :meth:`encode` returned.
        :param limit: at most so many hits per query.
        """
        ...

    def similarity(self, queries: Any, source: Rows, reference: Rows) -> Scores:
        """Return how close pairs are, whether or not they were found.

        :param queries: what :meth:`encode` returned.
        :param source: rows of the queries, ascending, shape (pairs,).
        :param reference: rows of the reference table, shape (pairs,).
        :return: from 0 to 1, higher is closer, shape (pairs,).
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the searcher into an existing, empty folder."""
        ...

    @classmethod
    def load(cls, folder: Path, settings: SearchSettings) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged or of a newer format.
        """
        ...


def ordered(source: Rows, reference: Rows, score: Scores, limit: int) -> Hits:
    """Return hits in their order: by source row, best first, equal scores by reference row.

    :param limit: hits kept per source row.
    """
    order = ranking(source, reference, score)
    source, reference, score = source[order], reference[order], score[order]
    kept = rank_in_group(source) < limit
    return Hits(source[kept], reference[kept], score[kept])
