"""How much a word tells: inverse document frequency over the reference.

``idf(w) = ln((1 + n) / (1 + df(w))) / ln(1 + n)``, the smoothed form of Sparck Jones (1972) scaled to
0..1: :data:`LEAST` for a word that every record has, 1 for one that none has.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.lookup import Lookup

LEAST = 0.01
"""Least weight of a word; not 0, so that a copy is found whole in a reference of one record, or of equal ones."""


@dataclass(frozen=True)
class WordWeights:
    """Document frequencies of the words of one attribute; ``documents`` is the number of records."""

    words: pa.Array
    counts: NDArray[np.int64]
    documents: int

    @classmethod
    def fit(cls, texts: pa.Array | pa.ChunkedArray) -> WordWeights:
        """Count in how many texts each word stands.

        :param texts: normalised strings, words separated by single spaces.
        """
        texts = combine(texts)
        lists = split_words(texts)
        words = pc.list_flatten(lists)
        rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        encoded = words.dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        size = len(encoded.dictionary)
        once = np.unique(rows * max(size, 1) + codes)
        counts = np.bincount(once % max(size, 1), minlength=size).astype(np.int64)
        return cls(encoded.dictionary.cast(pa.string()), counts, len(texts))

    def lookup(self, words: pa.Array) -> NDArray[np.float32]:
        """Return the weight of each word, :data:`LEAST` to 1, higher is rarer; 1 for a word never seen."""
        if len(self.words) == 0:
            return np.ones(len(words), dtype=np.float32)
        at = self._known.any(words)
        counts = np.where(at >= 0, self.counts[at], 0)
        scale = np.log1p(max(self.documents, 1))
        return np.asarray(((scale - np.log1p(counts)) / scale).clip(LEAST, 1.0), dtype=np.float32)

    @cached_property
    def _known(self) -> Lookup:
        return Lookup(self.words)

    def to_table(self) -> pa.Table:
        """Return the counts as a table (word, count), to be saved."""
        return pa.table({"word": self.words, "count": pa.array(self.counts)})

    @classmethod
    def from_table(cls, table: pa.Table, documents: int) -> WordWeights:
        """Read what :meth:`to_table` gave."""
        return cls(combine(table["word"]), table["count"].to_numpy().astype(np.int64), documents)


def combine(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a plain array, whatever the chunks."""
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def split_words(texts: pa.Array) -> pa.ListArray:
    """Split normalised texts at spaces; an empty text has no words."""
    lists = pc.split_pattern(pc.fill_null(texts, ""), " ")
    empty = pc.equal(pc.fill_null(texts, ""), "")
    if pc.any(empty).as_py():
        none = pa.scalar([], type=lists.type)
        lists = pc.if_else(empty, none, lists)
    return combine(lists)
