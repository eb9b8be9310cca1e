"""Character n-grams of many strings at once.

Characters are brought to 38 symbols (space, a-z, 0-9, anything else), so that an n-gram is a number to
base 38 and the number is its column: there is no dictionary to build, keep or look up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import sparse

from entity_matching.search.counting import Bytes, Field, Ints, count_matrix

SIZES = (2, 3, 4)
"""Lengths of the n-grams, in characters."""

_SYMBOLS = 38
_STARTS = {size: sum(_SYMBOLS**smaller for smaller in SIZES if smaller < size) for size in SIZES}
GRAM_COLUMNS = sum(_SYMBOLS**size for size in SIZES)
"""Columns of an n-gram matrix; each n-gram has the same one always."""


def gram_matrix(fields: Sequence[Field], threads: int = 1) -> sparse.csr_matrix:
    """Return how often each record has each character n-gram, dampened as in :func:`count_matrix`.

    Each string has a space put before and behind it, so that its first and last letters count more.

    :param fields: at most 8, with the same number of strings.
    :return: float32, shape (records, :data:`GRAM_COLUMNS`), column indices sorted.
    """
    return count_matrix(fields, GRAM_COLUMNS, _gram_codes, threads)


def _gram_codes(buffer: Bytes, bounds: Ints) -> tuple[Ints, Ints]:
    rows = len(bounds) - 1
    symbol = _symbol_table()[buffer].astype(np.int32)
    row = np.repeat(np.arange(rows, dtype=np.int64), np.diff(bounds))
    left = np.repeat(bounds[1:], np.diff(bounds)) - np.arange(len(buffer) - 1)  # characters to the closing space
    empty = np.repeat(np.diff(bounds) == 1, np.diff(bounds))
    codes, owners = [], []
    for size in SIZES:
        windows = max(len(buffer) - size + 1, 0)
        code = np.full(windows, _STARTS[size], np.int32)
        for place in range(size):
            code += symbol[place : place + windows] * np.int32(_SYMBOLS ** (size - 1 - place))
        whole = (left[:windows] >= size - 1) & ~empty[:windows]
        codes.append(code[whole])
        owners.append(row[:windows][whole])
    return np.concatenate(codes).astype(np.int64), np.concatenate(owners)


@cache
def _symbol_table() -> Bytes:
    table = np.full(256, _SYMBOLS - 1, np.uint8)
    table[ord(" ")] = 0
    table[ord("a") : ord("z") + 1] = np.arange(1, 27)
    table[ord("A") : ord("Z") + 1] = np.arange(1, 27)
    table[ord("0") : ord("9") + 1] = np.arange(27, 37)
    return table
