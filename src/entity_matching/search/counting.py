"""Count matrices of many strings at once, without a loop over records.

The strings are joined into one byte buffer, and every step is one numpy operation over all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from entity_matching.search.parallel import ordered_map

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Coder = Callable[[Bytes, Ints], tuple[Ints, Ints]]
"""Takes what :func:`join` returned; returns the column and the row of each occurrence."""

_FIELDS = 8  # the field's number is held in three bits
_CHUNK_BYTES = 1_000_000  # bounds the memory of one step to some 150 MB; the result does not depend on it


class Field(NamedTuple):
    """Strings (one per record) whose grams or words count with a weight."""

    strings: pa.Array
    weight: float


def count_matrix(fields: Sequence[Field], columns: int, codes: Coder, threads: int) -> sparse.csr_matrix:
    """Return how often each record has each column, dampened: ``sum(weight * (1 + ln(count)))``.

    :param fields: at most 8, with the same number of strings.
    :param columns: how many columns there are.
    :param codes: says which columns the strings have.
    :param threads: threads; the result does not depend on them.
    :return: float32, shape (records, columns), column indices sorted.
    """
    if len(fields) > _FIELDS:
        raise ValueError(f"at most {_FIELDS} fields, got {len(fields)}")
    weights = np.array([field.weight for field in fields], np.float32)

    def part_of(chunk: tuple[int, int]) -> tuple[Ints, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        return _chunk_matrix(fields, chunk, columns, codes, weights)

    parts = ordered_map(part_of, chunks(fields), threads)
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
    fields: Sequence[Field], chunk: tuple[int, int], columns: int, codes: Coder, weights: npt.NDArray[np.float32]
) -> tuple[Ints, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    # One sortable number per occurrence: record, column and (in the low three bits) field.
    start, stop = chunk
    keys = []
    for number, field in enumerate(fields):
        code, row = codes(*join(field.strings.slice(start, stop - start)))
        row *= columns
        row += code
        row <<= 3
        row |= number
        keys.append(row)
    key = np.concatenate(keys) if len(keys) > 1 else keys[0]
    key.sort()
    first = np.flatnonzero(changes(key))
    counts = np.diff(np.append(first, len(key)))
    key = key[first]
    values = weights[key & 7]
    if len(counts) and counts.max() > 1:
        values = values * (1 + np.log(counts, dtype=np.float32))
    key >>= 3
    if len(fields) > 1 and len(key):
        first = np.flatnonzero(changes(key))
        values = np.add.reduceat(values, first)
        key = key[first]
    row, column = np.divmod(key, columns)
    return np.bincount(row, minlength=stop - start), column.astype(np.int32), values


def chunks(fields: Sequence[Field]) -> list[tuple[int, int]]:
    """Return row ranges that hold about as many bytes each."""
    rows = len(fields[0].strings)
    if rows == 0:
        return []
    size = np.zeros(rows, np.int64)
    for field in fields:
        size += pc.binary_length(field.strings).to_numpy(zero_copy_only=False)
    size += 1
    chunk = np.cumsum(size) // _CHUNK_BYTES
    starts = np.flatnonzero(changes(chunk))
    return [(int(a), int(b)) for a, b in zip(starts, np.append(starts[1:], rows), strict=True)]


def join(strings: pa.Array) -> tuple[Bytes, Ints]:
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


def changes(values: Ints) -> npt.NDArray[np.bool_]:
    """Return where a run of equal values begins."""
    changed = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return changed
