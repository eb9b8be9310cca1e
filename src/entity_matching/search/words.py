"""Search by words: cosine of TF-IDF vectors, in which a rare word counts most."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from entity_matching import storage
from entity_matching.config import SearchSettings
from entity_matching.schema import Schema
from entity_matching.search.base import Hits
from entity_matching.search.candidates import Rows, Scores
from entity_matching.search.counting import Field
from entity_matching.search.fields import Source, distinct, searched, strings
from entity_matching.search.sparse import SparseIndex, weighted
from entity_matching.search.tokens import vocabulary, word_matrix

_SPARE = 1 << 16  # columns for words the reference does not have, so that they lengthen the query's vector


class WordSearcher:
    """Finds records that share words, the rare ones above all, in any order."""

    name = "words"

    def __init__(self, sources: tuple[Source, ...], words: npt.NDArray[np.uint64], index: SparseIndex) -> None:
        self.sources = sources
        self.words = words
        self.index = index

    @classmethod
    def build(cls, reference: pa.Table, schema: Schema, settings: SearchSettings) -> Self:
        """Index the reference.

        :param reference: the normalised reference table.
        """
        sources = searched(schema)
        grouping, documents = distinct(reference, sources)
        words = vocabulary([field for source in sources for field in _fields(documents, source)], settings.threads)
        index = SparseIndex.build(_counts(documents, sources, words, settings.threads), grouping, settings, "words")
        return cls(sources, words, index)

    def encode(self, table: pa.Table) -> sparse.csr_matrix:
        """Return the records' vectors, of length 1 (or 0 for an empty record), shape (records, words)."""
        return weighted(_counts(table, self.sources, self.words, self.index.threads), self.index.idf)

    def search(self, queries: sparse.csr_matrix, limit: int) -> Hits:
        """Return the records with the highest cosine."""
        return self.index.search(queries, limit)

    def similarity(self, queries: sparse.csr_matrix, source: Rows, reference: Rows) -> Scores:
        """Return the cosine of each pair, from 0 to 1, higher is closer."""
        return self.index.similarity(queries, source, reference)

    def save(self, folder: Path) -> None:
        """Write the index into an existing, empty folder."""
        storage.write_meta(folder, {"sources": self.sources})
        storage.write_array(folder, "words", self.words)
        self.index.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: SearchSettings) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged or of a newer format.
        """
        meta = storage.read_meta(folder, "sources")
        words = storage.read_array(folder, "words")
        return cls(Source.read(meta["sources"]), words, SparseIndex.load(folder, settings))


def _fields(table: pa.Table, source: Source) -> list[Field]:
    return [Field(strings(table, column), weight) for column, weight in source.columns]


def _counts(
    table: pa.Table, sources: tuple[Source, ...], words: npt.NDArray[np.uint64], threads: int
) -> list[tuple[Any, float]]:
    return [(word_matrix(_fields(table, source), words, _SPARE, threads), source.weight) for source in sources]
