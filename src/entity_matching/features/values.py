"""Features of attributes that are not text: identifiers, categories, numbers, dates, forms of a name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from rapidfuzz.distance import JaroWinkler, Prefix

from entity_matching.features.block import Block, Values
from entity_matching.features.letters import measured
from entity_matching.features.pairs import Pairs, TextLimits
from entity_matching.features.weights import combine


def agreement(pairs: Pairs, column: str) -> Values:
    """Say whether a column agrees: 1 equal, 0 different, NaN where a side has nothing."""
    one, two = _both(pairs, column)
    unknown = pc.or_(pc.equal(one, ""), pc.equal(two, ""))
    values = np.asarray(pc.equal(one, two).to_numpy(zero_copy_only=False)).astype(np.float32)
    values[unknown.to_numpy(zero_copy_only=False)] = np.nan
    return values


def category_features(pairs: Pairs, column: str, label: str, limits: TextLimits) -> Block:
    """Compare a category: equal or not, and how alike it is written."""
    block = Block(len(pairs))
    same = agreement(pairs, column)
    one, two = _both(pairs, column)
    alike = measured(one.to_pylist(), two.to_pylist(), JaroWinkler.similarity, limits)
    alike[np.isnan(same)] = np.nan
    block.add(f"{label}.same", same, 1, "same value")
    block.add(f"{label}.alike", alike, 1, "similarity of the values")
    return block


def identifier_features(pairs: Pairs, column: str, label: str, limits: TextLimits) -> Block:
    """Compare an identifier: equal or not, and the share of its beginning that both have."""
    block = Block(len(pairs))
    same = agreement(pairs, column)
    one, two = _both(pairs, column)
    start = measured(one.to_pylist(), two.to_pylist(), Prefix.similarity, limits)
    shorter = np.minimum(pc.utf8_length(one).to_numpy(), pc.utf8_length(two).to_numpy())
    start = start / np.maximum(shorter, 1)
    start[np.isnan(same)] = np.nan
    block.add(f"{label}.same", same, 1, "same identifier")
    block.add(f"{label}.start", start.astype(np.float32), 0, "share of the shorter that both begin with")
    return block


def number_features(pairs: Pairs, column: str, label: str) -> Block:
    """Compare a number: relative and absolute difference."""
    block = Block(len(pairs))
    one = _floats(pairs.sources, column)[pairs.source]
    two = _floats(pairs.references, column)[pairs.reference]
    difference = np.abs(one - two)
    largest = np.maximum(np.maximum(np.abs(one), np.abs(two)), 1e-9)
    block.add(f"{label}.relative", (difference / largest).astype(np.float32), -1, "relative difference")
    block.add(f"{label}.absolute", difference.astype(np.float32), -1, "absolute difference")
    return block


def date_features(pairs: Pairs, column: str, label: str) -> Block:
    """Compare a date: days between."""
    block = Block(len(pairs))
    one = _days(pairs.sources, column)[pairs.source]
    two = _days(pairs.references, column)[pairs.reference]
    block.add(f"{label}.days", np.abs(one - two).astype(np.float32), -1, "days between")
    return block


def form_features(pairs: Pairs, form: str, suffix: str, label: str) -> Block:
    """Compare the legal forms and share classes of two names."""
    block = Block(len(pairs))
    one, two = _both(pairs, form)
    has_one, has_two = _filled(one), _filled(two)
    block.add(f"{label}.form", agreement(pairs, form), 1, "same legal form")
    block.add(f"{label}.form_overlap", _shared_words(one, two), 1, "some legal form in common")
    block.add(f"{label}.form_given", (has_one.astype(np.int8) + 2 * has_two).astype(np.float32), 0, "who gives a form")
    block.add(f"{label}.suffix", agreement(pairs, suffix), 0, "same listing suffix")
    given = _filled(_both(pairs, suffix)[0])
    block.add(f"{label}.suffix_given", given.astype(np.float32), 0, "the source has a listing suffix")
    return block


def _shared_words(one: pa.Array, two: pa.Array) -> Values:
    """Say whether space-joined words overlap: 1, 0, or NaN where a side is empty."""
    keys = pc.binary_join_element_wise(one, two, "|").dictionary_encode()
    distinct = []
    for value in keys.dictionary.to_pylist():
        left, _, right = value.partition("|")
        distinct.append(float(bool(set(left.split()) & set(right.split()))) if left and right else np.nan)
    table = np.array(distinct, dtype=np.float32)
    return table[keys.indices.to_numpy(zero_copy_only=False)] if len(table) else np.zeros(0, dtype=np.float32)


def _filled(values: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.not_equal(values, "").to_numpy(zero_copy_only=False), dtype=np.bool_)


def _both(pairs: Pairs, column: str) -> tuple[pa.Array, pa.Array]:
    return pairs.both(column)


def _floats(table: pa.Table, column: str) -> NDArray[np.float64]:
    return np.asarray(combine(table[column].cast(pa.float64())).to_numpy(zero_copy_only=False), dtype=np.float64)


def _days(table: pa.Table, column: str) -> NDArray[np.float64]:
    days = combine(table[column]).cast(pa.int32()).cast(pa.float64())
    return np.asarray(days.to_numpy(zero_copy_only=False), dtype=np.float64)
