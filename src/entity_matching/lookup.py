"""Where a value stands among many: fast for a few values asked at a time, as a server is asked, and for many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Places = NDArray[np.int64]

_SEARCHED = 40
"""Measured: to look one value up among sorted hashes takes as long as hashing so many."""
_WARMED = 2
"""Times that few values are asked before the hashes are sorted: for once it does not pay."""
_AT_ONCE = 100_000
"""Values that are hashed at once: Python's texts take several times the memory of Arrow's."""


class Lookup:
    """Finds values in an array that stays the same.

    Arrow hashes the array anew each time it is asked, however few the values; here hashes are sorted once and kept.
    What is found does not depend on which way it was found.

    :param values: strings; a null is never found.
    """

    def __init__(self, values: pa.Array) -> None:
        self.values = values
        self._hashes: tuple[NDArray[np.int64], NDArray[np.integer]] | None = None
        self._asked = 0

    def __reduce__(self) -> tuple[type[Lookup], tuple[pa.Array]]:
        """Leave the hashes behind: another process has others."""
        return Lookup, (self.values,)

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
        return np.array([place for place, _ in self._found(wanted.to_pylist())], dtype=np.int64)

    def only(self, wanted: pa.Array) -> Places:
        """Return the place of each wanted value that stands in one place alone, else -1.

        :param wanted: strings without nulls, shape (wanted,).
        """
        wanted = wanted.cast(self.values.type)
        if self._is_sorted_for(len(wanted)):
            found = self._found(wanted.to_pylist())
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

    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
        """Return the hashes, ascending, and whose they are; equal ones in the order of the values."""
        if self._hashes is not None:
            return self._hashes
        starts = range(0, len(self.values), _AT_ONCE)
        parts = [
            np.fromiter(map(hash, self.values.slice(start, _AT_ONCE).to_pylist()), dtype=np.int64) for start in starts
        ]
        hashes = np.concatenate([np.empty(0, np.int64), *parts])
        kind = np.int32 if len(hashes) < np.iinfo(np.int32).max else np.int64
        order: NDArray[np.integer] = np.argsort(hashes, kind="stable").astype(kind)
        self._hashes = hashes[order], order  # two threads may both sort: they find the same
        return self._hashes

    def _found(self, wanted: Sequence[str | None]) -> list[tuple[int, bool]]:
        """Return of each value its first place, -1 if there is none, and whether there is another one."""
        hashes, order = self._sorted()
        asked = np.fromiter(map(hash, wanted), dtype=np.int64, count=len(wanted))
        begins, ends = (np.searchsorted(hashes, asked, side).tolist() for side in ("left", "right"))
        return [self._place(*given, order) for given in zip(wanted, begins, ends, strict=True)]

    def _place(self, value: str | None, begin: int, end: int, order: NDArray[np.integer]) -> tuple[int, bool]:
        """Return the same of one value, given where its hash begins and ends."""
        first = -1
        for at in range(begin, end) if value is not None else ():
            place = int(order[at])
            if self.values[place].as_py() == value:
                if first >= 0:
                    return first, True
                first = place
        return first, False
