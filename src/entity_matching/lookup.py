"""Where a value stands among many: fast for a few values asked at a time, as a server is asked, and for many."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Places = NDArray[np.int64]

_SEARCHED = 400
"""Measured: to look one value up in sorted ones takes as long as hashing so many."""
_WARMED = 2
"""Times that few values are asked before the values are sorted: for once it does not pay."""


class Lookup:
    """Finds values in an array that stays the same.

    Arrow hashes the array anew each time it is asked, however few the values; here the array is sorted once. What is
    found does not depend on which way it was found.

    :param values: strings; a null is never found.
    """

    def __init__(self, values: pa.Array) -> None:
        self.values = values
        self._order: NDArray[np.integer] | None = None
        self._asked = 0

    def __len__(self) -> int:
        """Return how many values there are."""
        return len(self.values)

    def any(self, wanted: pa.Array) -> Places:
        """Return a place of each wanted value, -1 where there is none; of several places the first.

        :param wanted: strings, shape (wanted,); a null is nowhere.
        """
        wanted = wanted.cast(self.values.type)
        if not self._is_sorted_for(len(wanted)):
            found = pc.index_in(wanted, value_set=self.values, skip_nulls=True)
            return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
        return np.array([self._found(value)[0] for value in wanted.to_pylist()], dtype=np.int64)

    def only(self, wanted: pa.Array) -> Places:
        """Return the place of each wanted value that stands in one place alone, else -1.

        :param wanted: strings without nulls, shape (wanted,).
        """
        wanted = wanted.cast(self.values.type)
        if self._is_sorted_for(len(wanted)):
            found = [self._found(value) for value in wanted.to_pylist()]
            return np.array([-1 if several else place for place, several in found], dtype=np.int64)
        distinct = wanted.unique()  # hashed are the wanted values, however many there are
        at = pc.index_in(self.values, value_set=distinct, skip_nulls=True)
        places = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
        shared = at.drop_null().to_numpy()
        single = np.full(len(distinct), -1, dtype=np.int64)
        single[shared] = places
        single[np.bincount(shared, minlength=len(distinct)) > 1] = -1
        return np.asarray(single[pc.index_in(wanted, value_set=distinct).to_numpy()], dtype=np.int64)

    def _is_sorted_for(self, wanted: int) -> bool:
        if wanted * _SEARCHED > len(self.values):
            return False
        self._asked += 1
        return self._asked > _WARMED

    def _sorted(self) -> NDArray[np.integer]:
        if self._order is not None:
            return self._order
        held = len(self.values) - self.values.null_count  # nulls come last
        kind = np.int32 if len(self.values) < np.iinfo(np.int32).max else np.int64
        order: NDArray[np.integer] = pc.array_sort_indices(self.values).to_numpy()[:held].astype(kind)
        self._order = order  # two threads may both sort: they find the same
        return order

    def _found(self, value: str | None) -> tuple[int, bool]:
        """Return the first place of a value, -1 if there is none, and whether there is another one."""
        if value is None:
            return -1, False
        order, values = self._sorted(), self.values
        at = bisect_left(order, value, key=lambda place: values[place].as_py())
        same = [place for place in order[at : at + 2].tolist() if values[place].as_py() == value]
        return (same[0] if same else -1), len(same) > 1
