"""Features of two names or texts: letters, words, numbers, codes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rapidfuzz import fuzz
from rapidfuzz.distance import Indel, JaroWinkler, LCSseq, Prefix

from entity_matching.features.alignment import Words, align
from entity_matching.features.block import Block, Values
from entity_matching.features.letters import glued, initials, measured
from entity_matching.features.pairs import Pairs, TextLimits
from entity_matching.features.weights import WordWeights, combine


def text_features(pairs: Pairs, column: str, label: str, weights: WordWeights, limits: TextLimits) -> Block:
    """Compare one text column of pairs of records.

    :param column: the column of both normalised tables that holds the text.
    :param label: what the features' names begin with.
    :param weights: word weights of the reference's column.
    """
    return compare_texts(
        combine(pairs.sources[column]), combine(pairs.references[column]), pairs, label, weights, limits
    )


def compare_texts(
    sources: pa.Array, references: pa.Array, pairs: Pairs, label: str, weights: WordWeights, limits: TextLimits
) -> Block:
    """Compare given texts of both sides; ``pairs`` says which with which.

    :param sources: normalised texts, one per row of the source table.
    :param references: the same of the reference table.
    """
    block = Block(len(pairs))
    present = _present(sources)[pairs.source] & _present(references)[pairs.reference]
    letters = _letter_features(sources, references, pairs, limits)
    words = Words.of(pa.concat_arrays([sources, references]), weights, limits.words)
    found = align(words, pairs.source, pairs.reference + len(sources), threads=limits.threads)
    unknown = ~present
    for name, (values, direction, meaning) in letters.items():
        block.add(f"{label}.{name}", _mask(values, unknown), direction, meaning)
    for name, direction, meaning in _WORD_FEATURES:
        block.add(f"{label}.{name}", getattr(found, name), direction, meaning)
    return block


_WORD_FEATURES = (
    ("covered_source", 1, "weight share of the source's words found in the reference, softly"),
    ("covered_reference", 1, "weight share of the reference's words found in the source, softly"),
    ("exact_source", 1, "weight share of the source's words found letter by letter"),
    ("exact_reference", 1, "weight share of the reference's words found letter by letter"),
    ("missing_source", -1, "weight of the most telling source word that is not found"),
    ("missing_reference", -1, "weight of the most telling reference word that is not found"),
    ("lost_source", -1, "weight of all source words not found"),
    ("lost_reference", -1, "weight of all reference words not found"),
    ("first", 1, "similarity of the source's first word to its best counterpart"),
    ("weight_source", 0, "how telling the source's words are together"),
    ("weight_reference", 0, "how telling the reference's words are together"),
    ("words_source", 0, "number of words of the source"),
    ("words_reference", 0, "number of words of the reference"),
    ("numbers_agree", 1, "numbers both have"),
    ("numbers_source", -1, "numbers only the source has"),
    ("numbers_reference", -1, "numbers only the reference has"),
    ("codes_agree", 1, "codes of letters and digits both have"),
    ("codes_source", -1, "codes only the source has"),
    ("codes_reference", -1, "codes only the reference has"),
)


def _letter_features(
    sources: pa.Array, references: pa.Array, pairs: Pairs, limits: TextLimits
) -> dict[str, tuple[Values, int, str]]:
    cut_sources = pc.utf8_slice_codeunits(sources, 0, limits.characters)
    cut_references = pc.utf8_slice_codeunits(references, 0, limits.characters)
    one = cut_sources.take(pa.array(pairs.source)).to_pylist()
    two = cut_references.take(pa.array(pairs.reference)).to_pylist()
    glued_one = glued(cut_sources).take(pa.array(pairs.source))
    glued_two = glued(cut_references).take(pa.array(pairs.reference))
    solid_one, solid_two = glued_one.to_pylist(), glued_two.to_pylist()
    size_one = np.maximum(pc.utf8_length(glued_one).to_numpy(zero_copy_only=False), 1).astype(np.float32)
    size_two = np.maximum(pc.utf8_length(glued_two).to_numpy(zero_copy_only=False), 1).astype(np.float32)
    initials_one = initials(cut_sources).take(pa.array(pairs.source)).to_pylist()
    initials_two = initials(cut_references).take(pa.array(pairs.reference)).to_pylist()

    def measure(left: list[str], right: list[str], scorer: Callable[..., float]) -> Values:
        return measured(left, right, scorer, limits)

    shared = measure(solid_one, solid_two, LCSseq.similarity)
    start = measure(solid_one, solid_two, Prefix.similarity)
    acronym = np.maximum(
        _equal(solid_one, initials_two) * (size_one >= 2), _equal(initials_one, solid_two) * (size_two >= 2)
    )
    return {
        "ratio": (measure(solid_one, solid_two, Indel.normalized_similarity), 1, "share of letters in common order"),
        "jaro_winkler": (measure(one, two, JaroWinkler.similarity), 1, "Jaro-Winkler similarity"),
        "sorted": (measure(one, two, fuzz.token_sort_ratio) / 100, 1, "share of letters, words sorted"),
        "set": (measure(one, two, fuzz.token_set_ratio) / 100, 1, "share of letters, shared words once"),
        "inside_source": (shared / size_one, 1, "share of the source's letters found in order"),
        "inside_reference": (shared / size_two, 1, "share of the reference's letters found in order"),
        "start": (start / np.minimum(size_one, size_two), 1, "share of the shorter that both begin with"),
        "acronym": (acronym.astype(np.float32), 1, "one is the initials of the other"),
        "length_source": (size_one, 0, "letters of the source"),
        "length_difference": (size_one - size_two, 0, "letters more in the source"),
    }


def _equal(left: list[str], right: list[str]) -> Values:
    return np.fromiter((a == b for a, b in zip(left, right, strict=True)), dtype=np.float32, count=len(left))


def _present(texts: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.not_equal(texts, "").to_numpy(zero_copy_only=False), dtype=np.bool_)


def _mask(values: Values, unknown: NDArray[np.bool_]) -> Values:
    values = values.copy()
    values[unknown] = np.nan
    return values
