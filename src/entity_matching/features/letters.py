"""What features of letters are made of: strings put side by side, and the same without spaces or by their initials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import process

from entity_matching.features.block import Values
from entity_matching.features.pairs import TextLimits


def measured(one: Sequence[str], two: Sequence[str], scorer: Callable[..., float], limits: TextLimits) -> Values:
    """Return what a scorer of rapidfuzz says of each pair of strings, shape (pairs,)."""
    values = process.cpdist(one, two, scorer=scorer, dtype=np.float32, workers=limits.threads)
    return np.asarray(values, dtype=np.float32)


def glued(texts: pa.Array) -> pa.Array:
    """Return texts without their spaces."""
    return pc.replace_substring(texts, " ", "")


def initials(texts: pa.Array) -> pa.Array:
    """Return the first letters of each text's words: ``iij`` of ``internet initiative japan``."""
    return glued(pc.replace_substring_regex(texts, r"(\S)\S*", r"\1"))
