"""Profiles of texts: how alike two are in their words and in the letters of their words, order aside."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from entity_matching.features.block import Block, Values
from entity_matching.features.pairs import Pairs
from entity_matching.features.weights import WordWeights, combine, split_words

_SIZE = 3
_SYMBOLS = 38
_CHUNK = 200_000


def profile_features(sources: pa.Array, references: pa.Array, pairs: Pairs, label: str, weights: WordWeights) -> Block:
    """Compare two texts as vectors of weighted words, and of the 3-grams of these words; NaN where one is empty.

    A text's vector has the word's weight for each time it stands there, dampened by the square root. Its
    n-grams take the weights of the words they are in, so that the letters of a rare word count more. Both are
    compared by their cosine (Salton 1975).

    :param sources: normalised texts, one per row of the source table.
    :param references: the same of the reference table.
    :param weights: word weights of the references.
    """
    texts = pa.concat_arrays([combine(sources), combine(references)])
    words, vocabulary = _word_counts(texts, weights)
    grams = words @ _gram_counts(vocabulary)
    empty = np.asarray(pc.equal(texts, "").to_numpy(zero_copy_only=False), dtype=np.bool_)
    one, two = pairs.source, pairs.reference + len(sources)
    block = Block(len(pairs))
    for name, counts, meaning in (
        ("words_cosine", words, "likeness of the words, rare ones count more, order aside"),
        ("grams_cosine", grams, "likeness of the words' letters, three at a time, order aside"),
    ):
        values = _cosine(counts, one, two)
        values[empty[one] | empty[two]] = np.nan
        block.add(f"{label}.{name}", values, 1, meaning)
    return block


def _word_counts(texts: pa.Array, weights: WordWeights) -> tuple[sparse.csr_matrix, pa.Array]:
    """Return the weighted words of texts, shape (texts, vocabulary), and the vocabulary."""
    lists = split_words(texts)
    encoded = pc.list_flatten(lists).dictionary_encode()
    vocabulary = encoded.dictionary.cast(pa.string())
    order = pc.array_sort_indices(vocabulary).to_numpy()  # so that sums do not hang on which texts come first
    vocabulary, place = vocabulary.take(pa.array(order)), np.argsort(order)
    code = place[encoded.indices.to_numpy(zero_copy_only=False)].astype(np.int64)
    row = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    size = max(len(vocabulary), 1)
    keys, times = np.unique(row * size + code, return_counts=True)
    weight = weights.lookup(vocabulary) if len(vocabulary) else np.zeros(1, dtype=np.float32)
    value = (weight[keys % size] * np.sqrt(times)).astype(np.float32)
    return sparse.csr_matrix((value, (keys // size, keys % size)), shape=(len(texts), size)), vocabulary


def _gram_counts(vocabulary: pa.Array) -> sparse.csr_matrix:
    """Return the 3-grams of each word, with a space at either end, shape (vocabulary, grams)."""
    padded = pc.binary_join_element_wise("", vocabulary, " ", " ").cast(pa.large_binary())
    bounds = np.frombuffer(padded.buffers()[1], dtype=np.int64, count=len(padded) + 1)
    letters = np.frombuffer(padded.buffers()[2] or b"", dtype=np.uint8)[: bounds[-1]]
    symbol = _symbol_table()[letters]
    windows = max(len(symbol) - _SIZE + 1, 0)
    code = np.zeros(windows, dtype=np.int64)
    for place in range(_SIZE):
        code = code * _SYMBOLS + symbol[place : place + windows]
    row = np.repeat(np.arange(len(vocabulary)), np.diff(bounds))[:windows]
    whole = np.arange(windows) + _SIZE <= np.repeat(bounds[1:], np.diff(bounds))[:windows]
    shape = (max(len(vocabulary), 1), _SYMBOLS**_SIZE)
    return sparse.csr_matrix((np.ones(int(whole.sum()), dtype=np.float32), (row[whole], code[whole])), shape=shape)


def _symbol_table() -> NDArray[np.int64]:
    """Bring bytes to 38 symbols: space, letters, digits, anything else."""
    table = np.full(256, _SYMBOLS - 1, dtype=np.int64)
    table[ord(" ")] = 0
    table[ord("a") : ord("z") + 1] = np.arange(1, 27)
    table[ord("0") : ord("9") + 1] = np.arange(27, 37)
    return table


def _cosine(counts: sparse.csr_matrix, one: NDArray[np.int64], two: NDArray[np.int64]) -> Values:
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    unit = sparse.diags_array(1.0 / np.maximum(length, 1e-9)) @ counts
    values = np.zeros(len(one), dtype=np.float32)
    for start in range(0, len(one), _CHUNK):
        part = slice(start, start + _CHUNK)
        values[part] = np.asarray(unit[one[part]].multiply(unit[two[part]]).sum(axis=1)).ravel()
    return values.clip(0.0, 1.0)
