"""Decoys: records of entities that do not exist, some words apart from those of the reference.

A small reference has few rivals to tell a record from; decoys show the scorer what near misses look like.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.noise.profile import ColumnProfile
from entity_matching.noise.records import present_columns
from entity_matching.schema import Kind, Schema

_CONSONANTS, _VOWELS, _DIGITS = "bcdfghjklmnprstvwz", "aeiou", "0123456789"


def decoy_records(
    reference: pa.Table,
    rows: NDArray[np.int64],
    schema: Schema,
    profiles: Mapping[str, ColumnProfile],
    rng: np.random.Generator,
) -> pa.Table:
    """Write source records of made-up entities.

    Of each name and text at least half of the words are replaced by words that mean nothing, the first one
    always; identifiers are left out, other values are those of another record.

    The parameters and the table returned are those of :func:`noisy_records`.
    """
    columns: dict[str, pa.Array] = {}
    for attribute, column, values in present_columns(reference, rows, schema, profiles):
        if attribute.kind is Kind.IDENTIFIER:
            made = [""] * len(values)
        elif attribute.kind in (Kind.NAME, Kind.TEXT):
            made = [_replace_words(value, rng) if value else "" for value in values]
        else:
            made = [values[place] for place in rng.permutation(len(values))]
        columns[column] = pa.array([value or None for value in made], type=pa.string())
    return pa.table(columns)


def _replace_words(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    replaced = rng.random(len(words)) < rng.uniform(0.5, 1.0)
    replaced[:1] = True
    return " ".join(_made_up(word, rng) if swap else word for word, swap in zip(words, replaced, strict=True))


def _made_up(word: str, rng: np.random.Generator) -> str:
    """Return a word of about the same length; digits become other digits."""
    pools = (
        _DIGITS if letter.isdigit() else _VOWELS if place % 2 else _CONSONANTS for place, letter in enumerate(word)
    )
    made = "".join(pool[int(chance * len(pool))] for pool, chance in zip(pools, rng.random(len(word)), strict=True))
    return made.upper() if word.isupper() else made.capitalize() if word[:1].isupper() else made
