"""Soft alignment of words: which words of one record stand in the other, cut, abbreviated or misspelt.

Computed in bulk. Words are coded as numbers, pairs of records are grouped by how many words they
have, and a similarity is worked out once for each distinct pair of words with the same first letter.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import LCSseq, Prefix

from entity_matching.features.weights import WordWeights, combine, split_words

_log = logging.getLogger(__name__)

_BUCKETS = (2, 4, 8, 16)
TYPO = 0.75
"""Least share of common letters (2 x LCS / total length) at which two words count as one misspelt."""

LONGEST = 100
"""Letters of a word that are compared with another's; hardly any word has more, and time grows with the square."""


@dataclass(frozen=True)
class Words:
    """The words of many texts as padded codes.

    ``codes``: (texts, width) int32, -1 after the last word. ``vocabulary``: the distinct words.
    ``weight``: of each distinct word, 0 to 1. ``number``, ``code``: whether it is all digits; whether it
    mixes letters and digits (a product code, a model).
    """

    codes: NDArray[np.int32]
    vocabulary: pa.Array
    weight: NDArray[np.float32]
    number: NDArray[np.bool_]
    code: NDArray[np.bool_]

    @classmethod
    def of(cls, texts: pa.Array, weights: WordWeights, width: int) -> Words:
        """Code the words of texts, at most ``width`` of each: the most telling where there are more."""
        lists = split_words(combine(texts))
        encoded = pc.list_flatten(lists).dictionary_encode()
        vocabulary = encoded.dictionary.cast(pa.string())
        flat = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        weight = weights.lookup(vocabulary)
        starts = lists.offsets.to_numpy().astype(np.int64)
        lengths = np.diff(starts)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(flat)) - np.repeat(starts[:-1] - starts[0], lengths)
        if len(lengths) and lengths.max() > width:
            keep = _most_telling(rows, place, weight[flat], width)
            rows, flat = rows[keep], flat[keep]
            lengths = np.bincount(rows, minlength=len(lengths))
            place = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        longest = int(lengths.max(initial=1))
        room = min(width, next((size for size in _BUCKETS if size >= longest), width))
        codes = np.full((len(lengths), max(1, room)), -1, dtype=np.int32)
        codes[rows, place] = flat
        digits = pc.match_substring_regex(vocabulary, "[0-9]").to_numpy(zero_copy_only=False)
        letters = pc.match_substring_regex(vocabulary, "[a-z]").to_numpy(zero_copy_only=False)
        return cls(codes, vocabulary, weight, digits & ~letters, digits & letters)


def _most_telling(
    rows: NDArray[np.int64], place: NDArray[np.int64], weight: NDArray[np.float32], width: int
) -> NDArray[np.int64]:
    order = np.lexsort((place, -weight, rows))
    first = np.r_[0, np.flatnonzero(np.diff(rows[order])) + 1]
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    kept: NDArray[np.int64] = np.sort(order[rank < width])
    return kept


@dataclass(frozen=True)
class Alignment:
    """What the alignment of each pair gives; arrays of shape (pairs,), shares 0 to 1, NaN without words.

    ``covered_*``: weight share of a side's words found in the other, softly. ``exact_*``: found letter
    by letter. ``missing_*``: greatest weight of a word not found. ``lost_*``: sum of those weights.
    ``first``: similarity of the source's first word to its best. ``numbers_*``/``codes_*``: how many
    numbers and codes agree, and how many of each side do not.
    """

    covered_source: NDArray[np.float32]
    covered_reference: NDArray[np.float32]
    exact_source: NDArray[np.float32]
    exact_reference: NDArray[np.float32]
    missing_source: NDArray[np.float32]
    missing_reference: NDArray[np.float32]
    lost_source: NDArray[np.float32]
    lost_reference: NDArray[np.float32]
    first: NDArray[np.float32]
    weight_source: NDArray[np.float32]
    weight_reference: NDArray[np.float32]
    words_source: NDArray[np.float32]
    words_reference: NDArray[np.float32]
    numbers_agree: NDArray[np.float32]
    numbers_source: NDArray[np.float32]
    numbers_reference: NDArray[np.float32]
    codes_agree: NDArray[np.float32]
    codes_source: NDArray[np.float32]
    codes_reference: NDArray[np.float32]


def align(words: Words, source: NDArray[np.int64], reference: NDArray[np.int64], *, threads: int) -> Alignment:
    """Align the words of pairs of texts.

    :param words: the texts' words; both sides share them.
    :param source: row of each pair's source text in ``words``.
    :param reference: row of each pair's reference text.
    """
    lengths = (words.codes >= 0).sum(axis=1)
    fields = {name: np.full(len(source), np.nan, dtype=np.float32) for name in Alignment.__dataclass_fields__}
    edges = np.array([0, *(size for size in _BUCKETS if size < words.codes.shape[1]), words.codes.shape[1]])
    bucket = np.searchsorted(edges, lengths)
    left, right = bucket[source], bucket[reference]
    for group in np.unique(left * len(edges) + right):
        wide, high = edges[group // len(edges)], edges[group % len(edges)]
        if wide == 0 or high == 0:
            continue
        members = np.flatnonzero(left * len(edges) + right == group)
        step = max(1, 4_000_000 // int(wide * high))
        for start in range(0, len(members), step):
            part = members[start : start + step]
            a = words.codes[source[part], :wide]
            b = words.codes[reference[part], :high]
            for name, values in _align_group(words, a, b, threads).items():
                fields[name][part] = values
    return Alignment(**fields)


def _align_group(
    words: Words, a: NDArray[np.int32], b: NDArray[np.int32], threads: int
) -> dict[str, NDArray[np.float32]]:
    has_a, has_b = a >= 0, b >= 0
    both = has_a[:, :, None] & has_b[:, None, :]
    same = (a[:, :, None] == b[:, None, :]) & both
    similar = _similarities(words, a, b, both & ~same, threads)
    similar[same] = 1.0
    best_a, best_b = similar.max(axis=2), similar.max(axis=1)
    exact_a, exact_b = same.any(axis=2), same.any(axis=1)
    weight_a = np.where(has_a, words.weight[a], 0.0).astype(np.float32)
    weight_b = np.where(has_b, words.weight[b], 0.0).astype(np.float32)
    sum_a, sum_b = np.maximum(weight_a.sum(axis=1), 1e-6), np.maximum(weight_b.sum(axis=1), 1e-6)
    lost_a, lost_b = weight_a * (1 - best_a), weight_b * (1 - best_b)
    fields: dict[str, NDArray[np.float32]] = {
        "covered_source": (weight_a * best_a).sum(axis=1) / sum_a,
        "covered_reference": (weight_b * best_b).sum(axis=1) / sum_b,
        "exact_source": (weight_a * exact_a).sum(axis=1) / sum_a,
        "exact_reference": (weight_b * exact_b).sum(axis=1) / sum_b,
        "missing_source": lost_a.max(axis=1),
        "missing_reference": lost_b.max(axis=1),
        "lost_source": lost_a.sum(axis=1),
        "lost_reference": lost_b.sum(axis=1),
        "first": best_a[:, 0],
        "weight_source": sum_a,
        "weight_reference": sum_b,
        "words_source": has_a.sum(axis=1).astype(np.float32),
        "words_reference": has_b.sum(axis=1).astype(np.float32),
    }
    for name, flag in (("numbers", words.number), ("codes", words.code)):
        is_a, is_b = flag[a] & has_a, flag[b] & has_b
        fields[f"{name}_agree"] = (is_a & exact_a).sum(axis=1).astype(np.float32)
        fields[f"{name}_source"] = (is_a & ~exact_a).sum(axis=1).astype(np.float32)
        fields[f"{name}_reference"] = (is_b & ~exact_b).sum(axis=1).astype(np.float32)
    return fields


def _similarities(
    words: Words, a: NDArray[np.int32], b: NDArray[np.int32], wanted: NDArray[np.bool_], threads: int
) -> NDArray[np.float32]:
    """Similarity of each pair of words, 0 to 1, shape (pairs, words of a, words of b)."""
    initials = pc.utf8_slice_codeunits(words.vocabulary, 0, 1).dictionary_encode().indices
    initial = initials.to_numpy(zero_copy_only=False).astype(np.int32)
    result = np.zeros(wanted.shape, dtype=np.float32)
    if not len(initial):
        return result
    where = wanted & (initial[a][:, :, None] == initial[b][:, None, :])
    pair, i, j = np.nonzero(where)
    if not len(pair):
        return result
    size = np.int64(len(words.vocabulary))
    low = np.minimum(a[pair, i], b[pair, j]).astype(np.int64)
    high = np.maximum(a[pair, i], b[pair, j]).astype(np.int64)
    distinct, inverse = np.unique(low * size + high, return_inverse=True)
    values = word_similarity(
        words.vocabulary.take(pa.array(distinct // size)),
        words.vocabulary.take(pa.array(distinct % size)),
        threads=threads,
    )
    result[pair, i, j] = values[inverse]
    return result


def word_similarity(left: pa.Array, right: pa.Array, *, threads: int) -> NDArray[np.float32]:
    """Similarity of words with the same first letter, 0 to 1, higher is closer.

    A word that begins the other (``plantat``, ``plantations``) gets 0.75 to 1 by the share it keeps, a
    single letter 0.5; one whose letters stand in the other in order (``entmt``, ``entertainment``) 0.7 to
    0.9; a misspelling the share of common letters if it is at least :data:`TYPO`; anything else 0. Words
    with digits agree only letter by letter, or where one of at least four characters begins the other.
    Of a longer word the first :data:`LONGEST` letters are looked at.

    :param left: words, shape (n,).
    :param right: words, shape (n,).
    """
    equal = pc.equal(left, right).to_numpy(zero_copy_only=False)
    if max(pc.max(pc.utf8_length(words)).as_py() or 0 for words in (left, right)) > LONGEST:
        _log.info("a word has more than %d letters; its first %d are compared", LONGEST, LONGEST)
    left, right = pc.utf8_slice_codeunits(left, 0, LONGEST), pc.utf8_slice_codeunits(right, 0, LONGEST)
    one, two = left.to_pylist(), right.to_pylist()
    size_one = pc.utf8_length(left).to_numpy(zero_copy_only=False).astype(np.float32)
    size_two = pc.utf8_length(right).to_numpy(zero_copy_only=False).astype(np.float32)
    common = process.cpdist(one, two, scorer=LCSseq.similarity, dtype=np.int32, workers=threads)
    prefix = process.cpdist(one, two, scorer=Prefix.similarity, dtype=np.int32, workers=threads)
    short, long = np.minimum(size_one, size_two), np.maximum(size_one, size_two)
    ratio = 2 * common / np.maximum(size_one + size_two, 1)
    begins = prefix == short
    value = np.where(ratio >= TYPO, ratio, 0.0)
    inside = (common == short) & (short >= 3)
    value = np.where(inside, np.maximum(value, 0.7 + 0.2 * short / np.maximum(long, 1)), value)
    value = np.where(begins & (short >= 2), np.maximum(value, 0.75 + 0.25 * short / np.maximum(long, 1)), value)
    value = np.where(begins & (short == 1), np.maximum(value, 0.5), value)
    digits = pc.match_substring_regex(left, "[0-9]").to_numpy(zero_copy_only=False) | pc.match_substring_regex(
        right, "[0-9]"
    ).to_numpy(zero_copy_only=False)
    value = np.where(digits & ~(begins & (short >= 4)), 0.0, value)
    return np.where(equal, 1.0, np.minimum(value, 0.99)).astype(np.float32)
