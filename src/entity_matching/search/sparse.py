"""Cosine search over sparse TF-IDF vectors: what the character and the word searcher share."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sparse_dot_topn import sp_matmul_topn

from entity_matching.config import SearchSettings
from entity_matching.search import storage
from entity_matching.search.base import Hits, ordered
from entity_matching.search.candidates import Rows, Scores, rank_in_group

logger = logging.getLogger(__name__)

_PAIR_CHUNK = 200_000  # pairs whose vectors are gathered at once


@dataclass
class SparseIndex:
    """Reference vectors of length 1, by record and by column.

    Records whose vectors are made of the same strings share one vector ("document"), so that 100,000
    identical names cost no more than one.

    ``idf``: weight of each column, shape (columns,). ``documents``: shape (documents, columns).
    ``postings``: its transpose, without the columns that too many documents have.
    ``members``: reference rows, those of document ``d`` at ``[starts[d], starts[d + 1])``, ascending.
    """

    idf: npt.NDArray[np.float32]
    documents: sparse.csr_matrix
    postings: sparse.csr_matrix
    members: Rows
    starts: npt.NDArray[np.int64]
    threads: int

    @classmethod
    def build(
        cls,
        counts: Sequence[tuple[sparse.csr_matrix, float]],
        groups: tuple[Rows, npt.NDArray[np.int64]],
        settings: SearchSettings,
        what: str,
    ) -> Self:
        """Build the index.

        :param counts: per attribute the counts of the documents, shape (documents, columns), and its weight.
        :param groups: ``members`` and ``starts``.
        :param what: what the columns are, in words, for the log.
        """
        columns = counts[0][0].shape[1]
        present = np.zeros(columns, np.int64)
        for matrix, _ in counts:
            np.maximum(present, np.bincount(matrix.indices, minlength=columns), out=present)
        rows = counts[0][0].shape[0]
        idf = (np.log((1 + rows) / (1 + present)) + 1).astype(np.float32)
        documents = weighted(counts, idf)
        return cls(idf, documents, _postings(documents, settings.max_postings, what), *groups, settings.threads)

    def search(self, queries: sparse.csr_matrix, limit: int) -> Hits:
        """Return the closest reference rows of each query vector (length 1), best first."""
        if queries.shape[0] == 0 or self.documents.shape[0] == 0:
            return Hits.none()
        depth = min(limit, self.documents.shape[0])
        found = sp_matmul_topn(queries, self.postings, top_n=depth, threshold=0.0, sort=True, n_threads=self.threads)
        source = np.repeat(np.arange(found.shape[0], dtype=np.int32), np.diff(found.indptr))
        return self._rows_of(source, found.indices, found.data.astype(np.float32), limit)

    def _rows_of(self, source: Rows, document: Rows, score: Scores, limit: int) -> Hits:
        # A document stands for all its rows; those that come before it may fill the limit already.
        size = np.minimum(self.starts[document + 1] - self.starts[document], limit)
        total = np.cumsum(size)
        first = np.arange(len(source)) - rank_in_group(source)
        before = total - size - (total - size)[first]
        kept = before < limit
        source, document, score, size = source[kept], document[kept], score[kept], size[kept]
        which = np.repeat(np.arange(len(source)), size)
        row = self.members[self.starts[document][which] + rank_in_group(which)]
        return ordered(source[which], row, np.minimum(score[which], 1), limit)

    def similarity(self, queries: sparse.csr_matrix, source: Rows, reference: Rows) -> Scores:
        """Return the cosine of each pair, from 0 to 1, over all columns."""
        score = np.zeros(len(source), np.float32)
        document = self._document_of[reference]
        for start in range(0, len(source), _PAIR_CHUNK):
            part = slice(start, start + _PAIR_CHUNK)
            product = queries[source[part]].multiply(self.documents[document[part]])
            score[part] = np.asarray(product.sum(axis=1)).ravel()
        return np.clip(score, 0, 1)

    def save(self, folder: Path) -> None:
        """Write the index's arrays into an existing folder."""
        for name in ("idf", "members", "starts"):
            storage.write_array(folder, name, getattr(self, name))
        for name in ("documents", "postings"):
            matrix = getattr(self, name)
            for piece in ("data", "indices", "indptr"):
                storage.write_array(folder, f"{name}-{piece}", getattr(matrix, piece))

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged, or does not fit the others.
        """
        idf, members, starts = (storage.read_array(folder, name) for name in ("idf", "members", "starts"))
        documents = _read_matrix(folder, "documents", (len(starts) - 1, len(idf)))
        postings = _read_matrix(folder, "postings", (len(idf), len(starts) - 1))
        return cls(idf, documents, postings, members, starts, threads)

    def __post_init__(self) -> None:
        """Invert the groups."""
        self._document_of = np.empty(len(self.members), np.int32)
        self._document_of[self.members] = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def weighted(counts: Sequence[tuple[sparse.csr_matrix, float]], idf: npt.NDArray[np.float32]) -> sparse.csr_matrix:
    """Return vectors of length 1 from the counts of each attribute.

    Each attribute's vector is brought to length 1, then they are added with their weights: a long
    description must not drown a short title.
    """
    total: sparse.csr_matrix | None = None
    for matrix, weight in counts:
        vectors = _unit(
            sparse.csr_matrix((matrix.data * idf[matrix.indices], matrix.indices, matrix.indptr), matrix.shape)
        )
        if len(counts) > 1:
            vectors.data *= np.float32(weight)
        total = vectors if total is None else total + vectors
    assert total is not None
    return _unit(total) if len(counts) > 1 else total


def _unit(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    squares = np.concatenate(([0.0], np.cumsum(matrix.data.astype(np.float64) ** 2)))
    lengths = np.sqrt(squares[matrix.indptr[1:]] - squares[matrix.indptr[:-1]])
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0).astype(np.float32)
    matrix.data *= np.repeat(scale, np.diff(matrix.indptr))
    return matrix


def _postings(documents: sparse.csr_matrix, most: int, what: str) -> sparse.csr_matrix:
    present = np.bincount(documents.indices, minlength=documents.shape[1])
    heavy = present > most
    if heavy.any():
        logger.info(
            "%d of %d %s are in more than %d reference records and are not searched for (setting 'max_postings').",
            heavy.sum(),
            (present > 0).sum(),
            what,
            most,
        )
        kept = ~heavy[documents.indices]
        indptr = np.concatenate(([0], np.cumsum(kept)))[documents.indptr].astype(documents.indptr.dtype)
        documents = sparse.csr_matrix((documents.data[kept], documents.indices[kept], indptr), documents.shape)
    return documents.T.tocsr()


def _read_matrix(folder: Path, name: str, shape: tuple[int, int]) -> sparse.csr_matrix:
    data, indices, indptr = (storage.read_array(folder, f"{name}-{piece}") for piece in ("data", "indices", "indptr"))
    try:
        matrix = sparse.csr_matrix((data, indices, indptr), shape=shape, copy=False)
        matrix.check_format()
    except (ValueError, TypeError) as error:
        raise storage.damaged(folder, f"{name} ({error})") from error
    return matrix
