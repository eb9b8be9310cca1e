"""Cosine search over sparse TF-IDF vectors: what the character and the word searcher share."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sparse_dot_topn import sp_matmul_topn, zip_sp_matmul_topn

from entity_matching import storage
from entity_matching.config import SearchSettings
from entity_matching.search.base import Hits, ordered
from entity_matching.search.candidates import Rows, Scores, rank_in_group
from entity_matching.search.parallel import ordered_map

logger = logging.getLogger(__name__)

_CHUNK_VALUES = 4_000_000  # numbers gathered at once to compare pairs, some 100 MB
_PARTS = ("data", "indices", "indptr")  # of a sparse matrix
_BLOCK = 131_072  # documents searched at once: their sums fit into the processor's cache, which is 4 times as fast
_SHARED_QUERIES = 64  # fewer are searched sooner by one thread than threads are woken


@dataclass(frozen=True)
class Postings:
    """Transposed documents, block by block, without the columns that too many documents have.

    ``blocks``: each of shape (columns, documents of the block). ``left_out``: how many columns are left out.
    """

    blocks: tuple[sparse.csr_matrix, ...]
    left_out: int

    @classmethod
    def of(cls, documents: sparse.csr_matrix, most: int, threads: int) -> Self:
        """Transpose documents.

        :param most: columns that more documents have are left out.
        """
        light = np.bincount(documents.indices, minlength=documents.shape[1]) <= most

        def block(start: int) -> sparse.csr_matrix:
            part = documents[start : start + _BLOCK]
            kept = light[part.indices]
            indptr = np.concatenate(([0], np.cumsum(kept)))[part.indptr].astype(np.int32)
            part = sparse.csr_matrix((part.data[kept], part.indices[kept], indptr), part.shape)
            return part.T.tocsr()

        blocks = ordered_map(block, range(0, documents.shape[0], _BLOCK), threads)
        return cls(tuple(blocks), int(np.count_nonzero(~light)))

    def save(self, folder: Path) -> None:
        """Write them into an existing folder."""
        ends = np.cumsum([block.shape[1] for block in self.blocks], dtype=np.int64)
        storage.write_array(folder, "blocks", np.r_[np.int64(self.left_out), ends])
        for number, block in enumerate(self.blocks):
            _write_matrix(folder, f"block-{number}-", block)

    @classmethod
    def load(cls, folder: Path, documents: int, columns: int) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged, or does not fit the others.
        """
        left_out, *ends = storage.read_array(folder, "blocks").tolist()
        held = ends[-1] if ends else 0
        if held != documents:
            raise storage.damaged(folder, f"its blocks hold {held} of {documents} documents")
        shapes = [(columns, end - start) for start, end in pairwise([0, *ends])]
        blocks = (_read_matrix(folder, f"block-{place}-", shape) for place, shape in enumerate(shapes))
        return cls(tuple(blocks), left_out)


@dataclass(frozen=True)
class Grouping:
    """Which reference rows share one vector.

    ``members``: row numbers, those of document ``d`` at ``[starts[d], starts[d + 1])``, ascending.
    """

    members: Rows
    starts: npt.NDArray[np.int64]

    @property
    def documents(self) -> int:
        """How many different vectors there are."""
        return len(self.starts) - 1

    def document_of(self) -> Rows:
        """Return the document of each reference row, shape (rows,)."""
        inverse = np.empty(len(self.members), np.int32)
        inverse[self.members] = np.repeat(np.arange(self.documents), np.diff(self.starts))
        return inverse

    def expand(self, source: Rows, document: Rows, score: Scores, limit: int) -> Hits:
        """Put each document's rows in its place.

        :param source: ascending; within a source the best document comes first.
        :param limit: rows kept per source.
        """
        # Documents that come before may fill the limit already: then the rest is not even written out.
        size = np.minimum(self.starts[document + 1] - self.starts[document], limit)
        before = np.cumsum(size) - size
        before -= before[np.arange(len(source)) - rank_in_group(source)]
        kept = before < limit
        source, document, score, size = source[kept], document[kept], score[kept], size[kept]
        which = np.repeat(np.arange(len(source)), size)
        row = self.members[self.starts[document][which] + rank_in_group(which)]
        return ordered(source[which], row, score[which], limit)


class SparseIndex:
    """Reference vectors of length 1, by record and by column.

    Records whose searched strings are the same share one vector ("document"), so that 100,000 identical
    names cost no more than one.

    :param idf: weight of each column, shape (columns,).
    :param documents: shape (documents, columns).
    :param grouping: which rows each document stands for.
    :param postings: the same by column, for the search; columns left out there still count in :meth:`similarity`.
    :param threads: threads of the search.
    """

    def __init__(
        self,
        idf: npt.NDArray[np.float32],
        documents: sparse.csr_matrix,
        postings: Postings,
        grouping: Grouping,
        threads: int,
    ) -> None:
        self.idf = idf
        self.documents = documents
        self.postings = postings
        self.grouping = grouping
        self.threads = threads
        self._document_of = grouping.document_of()

    @classmethod
    def build(
        cls,
        counts: Sequence[tuple[sparse.csr_matrix, float]],
        grouping: Grouping,
        settings: SearchSettings,
        what: str,
    ) -> Self:
        """Build the index.

        :param counts: per attribute the counts of the documents, shape (documents, columns), and its weight.
        :param what: what the columns are, in words, for the log.
        """
        idf = _idf([matrix for matrix, _ in counts])
        documents = weighted(counts, idf)
        postings = Postings.of(documents, settings.max_postings, settings.threads)
        if postings.left_out:
            logger.info(
                "%d of the %s are in more than %d reference records and are not searched for (setting "
                "'max_postings'); they still count in the similarity of what is found.",
                postings.left_out,
                what,
                settings.max_postings,
            )
        return cls(idf, documents, postings, grouping, settings.threads)

    def search(self, queries: sparse.csr_matrix, limit: int) -> Hits:
        """Return the closest reference rows of each query vector (length 1), best first.

        Equal scores are in the order of the rows. If the limit cuts through records that are not the same
        but have the very same score, which of them are kept depends on the index alone.
        """
        depth = min(limit, self.grouping.documents)
        few = queries.shape[0] < _SHARED_QUERIES
        used: npt.NDArray[np.int32] | None = None
        if few:
            queries, used = _narrowed(queries)
        top: sparse.csr_matrix | None = None
        for block in self.postings.blocks if queries.shape[0] else ():
            searched = block if used is None else block[used]
            new = sp_matmul_topn(
                queries, searched, top_n=depth, threshold=0.0, sort=True, n_threads=1 if few else self.threads
            )
            top = new if top is None else zip_sp_matmul_topn(depth, [top, new])
        if top is None:
            return Hits.none()
        source = np.repeat(np.arange(top.shape[0], dtype=np.int32), np.diff(top.indptr))
        hits = ordered(source, top.indices.astype(np.int32), np.minimum(top.data.astype(np.float32), 1), depth)
        return self.grouping.expand(*hits, limit)

    def similarity(self, queries: sparse.csr_matrix, source: Rows, reference: Rows) -> Scores:
        """Return the cosine of each pair, from 0 to 1, over all columns."""
        if len(source) == 0:
            return np.empty(0, np.float32)
        document = self._document_of[reference]
        ends = self.documents.indptr
        weights = np.diff(queries.indptr)[source].astype(np.int64) + ends[document + 1] - ends[document]
        chunk = np.cumsum(weights) // _CHUNK_VALUES
        bounds = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), len(source)]

        def of(ends: tuple[int, int]) -> Scores:
            part = slice(*ends)
            product = queries[source[part]].multiply(self.documents[document[part]])
            return np.asarray(product.sum(axis=1), np.float32).ravel()

        parts = ordered_map(of, pairwise(bounds), self.threads)
        score: Scores = np.concatenate(parts)
        return np.clip(score, 0, 1, out=score)

    def save(self, folder: Path) -> None:
        """Write the index's arrays into an existing folder."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "idf": self.idf,
            "members": self.grouping.members,
            "starts": self.grouping.starts,
        }
        for name, array in arrays.items():
            storage.write_array(folder, name, array)
        _write_matrix(folder, "", self.documents)
        self.postings.save(folder)

    @classmethod
    def load(cls, folder: Path, settings: SearchSettings) -> Self:
        """Read what :meth:`save` wrote.

        :raises ArtifactError: if a file is missing, damaged, or does not fit the others.
        """
        idf, members, starts = (storage.read_array(folder, name) for name in ("idf", "members", "starts"))
        try:
            grouping = Grouping(members, starts)
            whole = len(members) == starts[-1] and np.array_equal(np.sort(members), np.arange(len(members)))
        except (ValueError, TypeError, IndexError) as error:
            raise storage.damaged(folder, str(error)) from error
        if not whole:
            raise storage.damaged(folder, "its rows do not fit its groups")
        documents = _read_matrix(folder, "", (grouping.documents, len(idf)))
        postings = Postings.load(folder, *documents.shape)
        return cls(idf, documents, postings, grouping, settings.threads)


def _narrowed(queries: sparse.csr_matrix) -> tuple[sparse.csr_matrix, npt.NDArray[np.int32]]:
    """Return queries over those columns alone that they use, and which these are.

    The product copies what it is given: for a few queries that would be the whole index, each time.
    """
    used, place = np.unique(queries.indices, return_inverse=True)
    parts = (queries.data, place.astype(np.int32), queries.indptr)
    return sparse.csr_matrix(parts, shape=(queries.shape[0], len(used))), used


def _write_matrix(folder: Path, prefix: str, matrix: sparse.csr_matrix) -> None:
    for name in _PARTS:
        storage.write_array(folder, prefix + name, getattr(matrix, name))


def _read_matrix(folder: Path, prefix: str, shape: tuple[int, int]) -> sparse.csr_matrix:
    parts = tuple(storage.read_array(folder, prefix + name) for name in _PARTS)
    try:
        matrix = sparse.csr_matrix(parts, shape=shape, copy=False)
        matrix.check_format()
    except (ValueError, TypeError, IndexError) as error:
        raise storage.damaged(folder, str(error)) from error
    matrix.has_canonical_format = True
    return matrix


def weighted(counts: Sequence[tuple[sparse.csr_matrix, float]], idf: npt.NDArray[np.float32]) -> sparse.csr_matrix:
    """Return vectors of length 1 from the counts of each attribute, whose values are overwritten.

    Each attribute's vector is brought to length 1, then they are added with their weights: a long
    description must not drown a short title.
    """
    total: sparse.csr_matrix | None = None
    for matrix, weight in counts:
        matrix.data *= idf[matrix.indices]
        _to_unit_length(matrix)
        if len(counts) == 1:
            return matrix
        matrix.data *= np.float32(weight)
        total = matrix if total is None else total + matrix
    if total is None:
        raise ValueError("no attribute is searched")
    _to_unit_length(total)
    return total


def _idf(matrices: Sequence[sparse.csr_matrix]) -> npt.NDArray[np.float32]:
    rows, columns = matrices[0].shape
    present = np.zeros(columns, np.int64)
    for matrix in matrices:
        np.maximum(present, np.bincount(matrix.indices, minlength=columns), out=present)
    # Smoothed, as in scikit-learn: a column that no document has gets the highest weight.
    idf: npt.NDArray[np.float32] = (np.log((1 + rows) / (1 + present)) + 1).astype(np.float32)
    return idf


def _to_unit_length(matrix: sparse.csr_matrix) -> None:
    sizes = np.diff(matrix.indptr)
    filled = sizes > 0
    if filled.any():
        lengths = np.sqrt(np.add.reduceat(matrix.data.astype(np.float64) ** 2, matrix.indptr[:-1][filled]))
        matrix.data /= np.repeat(lengths.astype(np.float32), sizes[filled])
