"""Marks of texts: the codes and quantities by which two products of one make are told apart.

A code is a word of at least three characters with a digit in it, a model or part number as a rule. It is found
in another text if it is a word there, or, from four characters on, if its letters stand there one after the
other with or without spaces (``108r00645`` in ``phaser 108 r00645``). A quantity is a number of at most six
digits, alone or glued to a short unit or a ``v`` (``4``, ``13.5mp``, ``v10``); ``4tb`` and ``4 tb`` agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from entity_matching.features.block import Block, Values
from entity_matching.features.pairs import Pairs
from entity_matching.features.weights import combine, split_words

Numbers = NDArray[np.int64]
_CODE = r"^[a-z0-9]*[0-9][a-z0-9]*$"
_LEAST_CODE = 3
_LEAST_INSIDE = 4
_QUANTITY = r"^v?(?P<number>[0-9]{1,6}(?:\.[0-9]{1,6})?)[a-z]{0,4}$"


@dataclass(frozen=True)
class Marks:
    """The distinct marks of each text, as numbers into what was found anywhere.

    ``starts``: where each text's marks begin, ending with their number. ``mark``: their numbers. ``keys``: text
    and mark as one number, ascending, to look up. ``words``: what each mark is written like.
    """

    starts: Numbers
    mark: Numbers
    keys: Numbers
    words: pa.Array

    @classmethod
    def of(cls, texts: pa.Array, *, quantities: bool) -> Marks:
        """Find the quantities of texts, or all their words, so that codes can be looked up among them."""
        lists = split_words(texts)
        encoded = pc.list_flatten(lists).dictionary_encode()
        words = encoded.dictionary.cast(pa.string())
        code = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        row = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        if quantities:
            number = pc.struct_field(pc.extract_regex(words, _QUANTITY), "number")
            value = np.asarray(pc.fill_null(number, "nan").cast(pa.float64()).to_numpy(zero_copy_only=False))
            _, same = np.unique(value, return_inverse=True)
            is_one = ~np.isnan(value)[code]
            row, code = row[is_one], same.astype(np.int64)[code[is_one]]
        size = max(len(words), 1)
        keys = np.unique(row * size + code)
        starts = np.searchsorted(keys, np.arange(len(texts) + 1, dtype=np.int64) * size)
        return cls(starts.astype(np.int64), keys % size, keys, words)

    def spread(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """Return the marks of the texts in ``rows``, one after the other: place in ``rows``, and mark."""
        counts = np.diff(self.starts)[rows]
        pair = np.repeat(np.arange(len(rows), dtype=np.int64), counts)
        place = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts)
        return pair, self.mark[self.starts[rows][pair] + place]

    def has(self, rows: Numbers, mark: Numbers) -> NDArray[np.bool_]:
        """Say whether each text has each mark, both of shape (n,)."""
        wanted = rows * max(len(self.words), 1) + mark
        at = np.searchsorted(self.keys, wanted)
        inside = at < len(self.keys)
        found = np.zeros(len(wanted), dtype=np.bool_)
        found[inside] = self.keys[at[inside]] == wanted[inside]
        return found


def mark_features(sources: pa.Array, references: pa.Array, pairs: Pairs, label: str) -> Block:
    """Compare the codes and quantities of two texts; NaN where a text is empty.

    :param sources: normalised texts, one per row of the source table.
    :param references: the same of the reference table.
    """
    texts = pa.concat_arrays([combine(sources), combine(references)])
    one, two = pairs.source, pairs.reference + len(sources)
    empty = np.asarray(pc.equal(texts, "").to_numpy(zero_copy_only=False), dtype=np.bool_)
    block = Block(len(pairs))
    found = {**_codes(texts, one, two), **_quantities(texts, one, two)}
    for name, direction, meaning in _FEATURES:
        values = found[name].astype(np.float32)
        values[empty[one] | empty[two]] = np.nan
        block.add(f"{label}.{name}", values, direction, meaning)
    return block


_FEATURES = (
    ("codes_found_source", 1, "codes of the source found in the reference, spaces aside"),
    ("codes_found_reference", 1, "codes of the reference found in the source, spaces aside"),
    ("codes_lost_source", -1, "codes of the source not found in the reference, spaces aside"),
    ("codes_lost_reference", -1, "codes of the reference not found in the source, spaces aside"),
    ("codes_clash", -1, "codes not found, of the side that has fewer such"),
    ("code_longest", 1, "characters of the longest code found in the other"),
    ("code_lost_source", -1, "characters of the source's longest code not found"),
    ("code_lost_reference", -1, "characters of the reference's longest code not found"),
    ("code_clash", -1, "characters of the longest code not found, of the side where it is shorter"),
    ("quantities_agree", 1, "quantities both have, units aside"),
    ("quantities_source", -1, "quantities only the source has"),
    ("quantities_reference", -1, "quantities only the reference has"),
    ("quantities_clash", -1, "quantities only one has, of the side that has fewer such"),
)


def _codes(texts: pa.Array, one: Numbers, two: Numbers) -> dict[str, Values]:
    marks = Marks.of(texts, quantities=False)
    size = pc.utf8_length(marks.words).to_numpy(zero_copy_only=False).astype(np.int64)
    is_code = pc.match_substring_regex(marks.words, _CODE).to_numpy(zero_copy_only=False).astype(np.bool_)
    is_code &= size >= _LEAST_CODE
    glued = pc.replace_substring(texts, " ", "")
    result: dict[str, Values] = {}
    longest = np.zeros(len(one), dtype=np.float32)
    for side, here, there in (("source", one, two), ("reference", two, one)):
        pair, mark = marks.spread(here)
        pair, mark = pair[is_code[mark]], mark[is_code[mark]]
        found = marks.has(there[pair], mark)
        maybe = np.flatnonzero(~found & (size[mark] >= _LEAST_INSIDE))
        found[maybe] = _inside(marks.words, glued, mark[maybe], there[pair[maybe]])
        result[f"codes_found_{side}"] = _count(pair[found], len(one))
        result[f"codes_lost_{side}"] = _count(pair[~found], len(one))
        result[f"code_lost_{side}"] = _greatest(pair[~found], size[mark[~found]], len(one))
        longest = np.maximum(longest, _greatest(pair[found], size[mark[found]], len(one)))
    result["codes_clash"] = np.minimum(result["codes_lost_source"], result["codes_lost_reference"])
    result["code_clash"] = np.minimum(result["code_lost_source"], result["code_lost_reference"])
    result["code_longest"] = longest
    return result


def _inside(words: pa.Array, glued: pa.Array, mark: Numbers, text: Numbers) -> NDArray[np.bool_]:
    """Say whether each word's letters stand in each text; each distinct couple is looked at once."""
    couples, inverse = np.unique(mark * len(glued) + text, return_inverse=True)
    parts = words.take(pa.array(couples // len(glued))).to_pylist()
    wholes = glued.take(pa.array(couples % len(glued))).to_pylist()
    inside = (part in whole for part, whole in zip(parts, wholes, strict=True))
    return np.fromiter(inside, dtype=np.bool_, count=len(couples))[inverse]


def _quantities(texts: pa.Array, one: Numbers, two: Numbers) -> dict[str, Values]:
    marks = Marks.of(texts, quantities=True)
    pair, mark = marks.spread(one)
    found = marks.has(two[pair], mark)
    agree, source = _count(pair[found], len(one)), _count(pair[~found], len(one))
    pair, mark = marks.spread(two)
    reference = _count(pair[~marks.has(one[pair], mark)], len(one))
    return {
        "quantities_agree": agree,
        "quantities_source": source,
        "quantities_reference": reference,
        "quantities_clash": np.minimum(source, reference),
    }


def _count(pair: Numbers, pairs: int) -> Values:
    return np.bincount(pair, minlength=pairs).astype(np.float32)


def _greatest(pair: Numbers, value: Numbers, pairs: int) -> Values:
    greatest = np.zeros(pairs, dtype=np.float32)
    np.maximum.at(greatest, pair, value.astype(np.float32))
    return greatest
