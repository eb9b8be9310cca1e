"""Character n-grams and words of many strings at once, without a loop over records.

The strings are joined into one byte buffer and every step is one numpy operation over it. Characters are
brought to 38 symbols (space, a-z, 0-9, anything else), so that an n-gram is a number to base 38 and the
number is its column: there is no dictionary to build, keep or look up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from entity_matching.search.candidates import rank_in_group
from entity_matching.search.parallel import ordered_map

SIZES = (2, 3, 4)
"""Lengths of the n-grams, in characters."""

PREFIXES = (5, 3)
"""Lengths of the word beginnings that count beside the whole words, longest first."""

_SYMBOLS = 38
_STARTS = {size: sum(_SYMBOLS**smaller for smaller in SIZES if smaller < size) for size in SIZES}
GRAM_COLUMNS = sum(_SYMBOLS**size for size in SIZES)
"""Columns of an n-gram matrix; each n-gram has the same one always."""

_Ints = npt.NDArray[np.int64]
_Coder = Callable[[npt.NDArray[np.uint8], _Ints], tuple[_Ints, _Ints]]

_CHUNK_BYTES = 1_000_000  # bounds the memory of one step to some 150 MB; the result does not depend on it


def _symbol_table() -> npt.NDArray[np.uint8]:
    table = np.full(256, _SYMBOLS - 1, np.uint8)
    table[ord(" ")] = 0
    table[ord("a") : ord("z") + 1] = np.arange(1, 27)
    table[ord("A") : ord("Z") + 1] = np.arange(1, 27)
    table[ord("0") : ord("9") + 1] = np.arange(27, 37)
    return table


class Field(NamedTuple):
    """Strings (one per record) whose grams or words count with a weight."""

    strings: pa.Array
    weight: float


def gram_matrix(fields: Sequence[Field], threads: int = 1) -> sparse.csr_matrix:
    """Return how often each record has each character n-gram, dampened: ``sum(weight * (1 + ln(count)))``.

    Each string has a space put before and behind it, so that its first and last letters count more.

    :param fields: at most 8, with the same number of strings.
    :return: float32, shape (records, :data:`GRAM_COLUMNS`), column indices sorted.
    """
    return _matrix(fields, GRAM_COLUMNS, _gram_codes, threads)


def word_matrix(
    fields: Sequence[Field], vocabulary: npt.NDArray[np.uint64], spare: int, threads: int = 1
) -> sparse.csr_matrix:
    """Return how often each record has each word, dampened as in :func:`gram_matrix`.

    Beside the words themselves count their beginnings (``semicond`` meets ``semiconductor``) and each
    two neighbours written as one (``it way`` meets ``itway``).

    :param vocabulary: ascending word hashes, see :func:`vocabulary`.
    :param spare: columns behind those of the vocabulary, on which unknown words are spread.
    :return: float32, shape (records, words + spare), column indices sorted.
    """

    def codes(buffer: npt.NDArray[np.uint8], bounds: _Ints) -> tuple[_Ints, _Ints]:
        hashes, rows = _word_hashes(buffer, bounds)
        if len(vocabulary) == 0:
            return (hashes % np.uint64(spare)).astype(np.int64), rows
        place = np.minimum(np.searchsorted(vocabulary, hashes), len(vocabulary) - 1)
        unknown = len(vocabulary) + (hashes % np.uint64(spare)).astype(np.int64)
        return np.where(vocabulary[place] == hashes, place, unknown), rows

    return _matrix(fields, len(vocabulary) + spare, codes, threads)


def vocabulary(fields: Sequence[Field], threads: int = 1) -> npt.NDArray[np.uint64]:
    """Return the 64-bit hashes of all words, beginnings and joined neighbours, each once, ascending."""
    parts = [field.strings.slice(start, stop - start) for field in fields for start, stop in _chunks([field])]
    found = ordered_map(lambda part: np.unique(_word_hashes(*_buffer(part))[0]), parts, threads)
    return np.unique(np.concatenate([np.empty(0, np.uint64), *found]))


def _matrix(fields: Sequence[Field], columns: int, codes: _Coder, threads: int) -> sparse.csr_matrix:
    if len(fields) > 8:
        raise ValueError(f"at most 8 fields, got {len(fields)}")
    weights = np.array([field.weight for field in fields], np.float32)

    def part_of(chunk: tuple[int, int]) -> tuple[_Ints, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        return _chunk_matrix(fields, chunk, columns, codes, weights)

    parts = ordered_map(part_of, _chunks(fields), threads)
    if not parts:
        return sparse.csr_matrix(np.empty((0, columns), np.float32))
    lengths = np.concatenate([part[0] for part in parts])
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    indices = np.concatenate([part[1] for part in parts])
    data = np.concatenate([part[2] for part in parts])
    if indptr[-1] < np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    matrix = sparse.csr_matrix((data, indices, indptr), shape=(len(lengths), columns), copy=False)
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def _chunk_matrix(
    fields: Sequence[Field], chunk: tuple[int, int], columns: int, codes: _Coder, weights: npt.NDArray[np.float32]
) -> tuple[_Ints, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    # One sortable number per occurrence: record, column and (in the low three bits) field.
    start, stop = chunk
    keys = []
    for number, field in enumerate(fields):
        code, row = codes(*_buffer(field.strings.slice(start, stop - start)))
        row *= columns
        row += code
        row <<= 3
        row |= number
        keys.append(row)
    key = np.concatenate(keys) if len(keys) > 1 else keys[0]
    key.sort()
    first = np.flatnonzero(_changes(key))
    counts = np.diff(np.append(first, len(key)))
    key = key[first]
    values = weights[key & 7]
    if len(counts) and counts.max() > 1:
        values = values * (1 + np.log(counts, dtype=np.float32))
    key >>= 3
    if len(fields) > 1 and len(key):
        first = np.flatnonzero(_changes(key))
        values = np.add.reduceat(values, first)
        key = key[first]
    row, column = np.divmod(key, columns)
    return np.bincount(row, minlength=stop - start), column.astype(np.int32), values


def _changes(values: _Ints) -> npt.NDArray[np.bool_]:
    changed = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return changed


def _chunks(fields: Sequence[Field]) -> list[tuple[int, int]]:
    """Return row ranges that hold about as many bytes each."""
    rows = len(fields[0].strings)
    if rows == 0:
        return []
    size = np.zeros(rows, np.int64)
    for field in fields:
        size += pc.binary_length(field.strings).to_numpy(zero_copy_only=False)
    size += 1
    chunk = np.cumsum(size) // _CHUNK_BYTES
    starts = np.flatnonzero(_changes(chunk))
    return [(int(a), int(b)) for a, b in zip(starts, np.append(starts[1:], rows), strict=True)]


def _buffer(strings: pa.Array) -> tuple[npt.NDArray[np.uint8], _Ints]:
    """Return the strings' bytes with a space before, between and behind, and the places of those spaces."""
    rows = len(strings)
    offset_type = np.int64 if pa.types.is_large_string(strings.type) else np.int32
    _, offset_bytes, data = strings.buffers()
    if offset_bytes is None or rows == 0:
        return np.full(rows + 1, ord(" "), np.uint8), np.arange(rows + 1, dtype=np.int64)
    offsets = np.frombuffer(offset_bytes, offset_type)[strings.offset : strings.offset + rows + 1].astype(np.int64)
    given = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    given = given[offsets[0] : offsets[-1]]
    bounds = offsets - offsets[0] + np.arange(rows + 1)
    flat = np.full(len(given) + rows + 1, ord(" "), np.uint8)
    inside = np.ones(len(flat), bool)
    inside[bounds] = False
    flat[inside] = given
    return flat, bounds


def _gram_codes(buffer: npt.NDArray[np.uint8], bounds: _Ints) -> tuple[_Ints, _Ints]:
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


def _word_hashes(buffer: npt.NDArray[np.uint8], bounds: _Ints) -> tuple[npt.NDArray[np.uint64], _Ints]:
    """Return the hashes of all words, their prefixes and the joined neighbours, each with its row."""
    space = buffer == ord(" ")
    inside = ~space
    starts = np.flatnonzero(inside & np.concatenate(([True], space[:-1])))
    if len(starts) == 0:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    lengths = np.flatnonzero(space & np.concatenate(([False], inside[:-1]))) - starts
    row = np.searchsorted(bounds, starts, side="right").astype(np.int64) - 1
    begins = np.cumsum(lengths) - lengths
    place = np.arange(int(lengths.sum())) - np.repeat(begins, lengths)
    # A polynomial modulo 2**64 over random numbers, one per byte: the chance that two of a million words
    # share a hash is below one in ten million.
    numbers = np.random.default_rng(20_240).integers(1, 2**63, 256, dtype=np.uint64)
    powers = np.cumprod(np.full(int(lengths.max()) + 1, 0x9E3779B97F4A7C15, np.uint64))
    values = numbers[buffer[inside]] * powers[place]
    hashes = np.add.reduceat(values, begins)
    neighbours = row[1:] == row[:-1]
    first = np.flatnonzero(_changes(row))
    turned = hashes * (2 * rank_in_group(row).astype(np.uint64) + np.uint64(3))  # the order of the words counts
    found = [
        hashes,
        (hashes[:-1] + hashes[1:] * powers[lengths[:-1] - 1])[neighbours],
        np.add.reduceat(turned, first) + numbers[0],
    ]
    rows = [row, row[1:][neighbours], row[first]]
    for size in PREFIXES:
        values[place >= size] = 0
        found.append(np.add.reduceat(values, begins) + numbers[size])
        rows.append(row)
    joined = np.concatenate(found)
    joined ^= joined >> np.uint64(29)
    return joined, np.concatenate(rows)
