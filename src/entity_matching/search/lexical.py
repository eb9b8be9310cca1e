"""Search by the characters of the names: cosine of TF-IDF vectors of character 2- to 4-grams.

Shortened and cut words (``ENTMT``, ``TECHS HLDGS``) still share n-grams with the full ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from scipy import sparse

from entity_matching import storage
from entity_matching.config import SearchSettings
from entity_matching.schema import Schema
from entity_matching.search.base import Hits
from entity_matching.search.candidates import Rows, Scores
from entity_matching.search.counting import Field
from entity_matching.search.fields import Source, distinct, searched, strings
from entity_matching.search.ngrams import gram_matrix
from entity_matching.search.sparse import SparseIndex, weighted


class LexicalSearcher:
    """Finds records whose searched attributes have similar spelling."""

    name = "lexical"

    def __init__(self, sources: tuple[Source, ...], index: SparseIndex) -> None:
        self.sources = sources
        self.index = index

    @classmethod
    def build(cls, reference: pa.Table, schema: Schema, settings: SearchSettings) -> Self:
        """Index the reference.

        :param reference: the normalised reference table.
        """
        sources = searched(schema)
        grouping, documents = distinct(reference, sources)
        index = SparseIndex.build(_counts(documents, sources, settings.threads), grouping, settings, "n-grams")
        return cls(sources, index)

    def encode(self, table: pa.Table) -> sparse.csr_matrix:
        """Return the records' vectors, of length 1 (or 0 for an empty record), shape (records, n-grams)."""
        return weighted(_counts(table, self.sources, self.index.threads), self.index.idf)

    def search(self, queries: sparse.csr_matrix, limit: int) -> Hits:
        """Return the records with the highest cosine."""
        return self.index.search(queries, limit)

    def similarity(self, queries: sparse.csr_matrix, source: Rows, reference: Rows) -> Scores:
        """Return the cosine of each pair, from 0 to 1, higher is closer."""
        return self.index.similarity(queries, source, reference)

    def save(self, folder: Path) -> None:
        """Write the index into an existing, empty folder."""
        storage.write_meta(folder, {"sources": self.sources})
        self.index.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: SearchSettings) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged or of a newer format.
        """
        meta = storage.read_meta(folder, "sources")
        return cls(Source.read(meta["sources"]), SparseIndex.load(folder, settings))


def _counts(table: pa.Table, sources: tuple[Source, ...], threads: int) -> list[tuple[Any, float]]:
    return [
        (
            gram_matrix([Field(strings(table, column), weight) for column, weight in source.columns], threads),
            source.weight,
        )
        for source in sources
    ]
