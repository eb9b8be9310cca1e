"""What changed between two versions of the reference."""

from __future__ import annotations

import functools
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from entity_matching.errors import ArtifactError
from entity_matching.records import KEY
from entity_matching.storage import read_table

log = logging.getLogger(__name__)

Mask = npt.NDArray[np.bool_]
SPEED = frozenset({"threads", "batch_rows", "memory_mb"})
"""Settings of the search that change how fast candidates are found, and not which."""


@dataclass(frozen=True)
class Changes:
    """What differs between an older reference and the present one, as matching sees the two.

    ``new``: rows of the present reference that were added or changed, ascending. ``gone``: the records that were
    changed or removed, as they were. ``size``: how many were added, changed or removed; ``share``: the same as a share
    of the larger of the two, 0 to 1.
    """

    new: npt.NDArray[np.int32]
    gone: pa.Table
    size: int
    share: float

    @classmethod
    def between(cls, old: pa.Table, present: pa.Table) -> Changes:
        """Compare two normalised reference tables that have the same columns; the order of their rows is nothing."""
        old_keys, keys = old[KEY].combine_chunks(), present[KEY].combine_chunks()
        place = pc.index_in(keys, value_set=old_keys)
        is_known = place.is_valid().to_numpy(zero_copy_only=False)
        known = np.flatnonzero(is_known)
        changed = known[_differ(old.take(pc.drop_null(place)), present.take(pa.array(known)))]
        new = np.sort(np.r_[np.flatnonzero(~is_known), changed])
        same = np.setdiff1d(known, changed, assume_unique=True)
        gone = old.filter(pc.invert(pc.is_in(old_keys, value_set=keys.take(pa.array(same))))).combine_chunks()
        size = len(new) + gone.num_rows - len(changed)
        return cls(new.astype(np.int32), gone, size, size / max(old.num_rows, present.num_rows, 1))


def _differ(left: pa.Table, right: pa.Table) -> Mask:
    """Say which rows of two tables of the same form differ."""
    differs = np.zeros(left.num_rows, dtype=bool)
    for one, two in zip(left.itercolumns(), right.itercolumns(), strict=True):
        same = pc.if_else(pc.and_(one.is_null(), two.is_null()), pa.scalar(True), pc.equal(one, two))
        differs |= ~pc.fill_null(same, False).to_numpy().astype(bool)
    return differs


def comparable(old: Path, present: Path) -> bool:
    """Say whether two saved references were made alike: of the same attributes, searched by the same settings.

    :returns: false also if the older one is no longer there, or damaged.
    :raises ArtifactError: if the present one cannot be read.
    """
    form = _form(present)
    try:
        return _form(old) == form
    except ArtifactError as error:
        log.info("The reference %s is not compared with: %s", old.name, error)
        return False


def _form(folder: Path) -> dict[str, object]:
    """Return the columns of a reference's records, and what its index was made with that decides what is found."""
    form: dict[str, object] = {}
    try:
        with pa.OSFile(str(folder / "records.arrow"), "rb") as file:
            form["records"] = pa.ipc.open_file(file).schema.to_string()
        # the one of the index itself must be there
        for path in {folder / "index" / "index.json", *(folder / "index").rglob("index.json")}:
            data = dict(json.loads(path.read_text(encoding="utf-8")))
            settings = {name: value for name, value in data.pop("settings", {}).items() if name not in SPEED}
            data.pop("rows", None)
            form[str(path.relative_to(folder))] = {**data, "settings": settings}
    except (OSError, ValueError, AttributeError, TypeError) as error:  # pyarrow's own errors are among these
        raise ArtifactError(f"{folder} cannot be read: {error}.", remedy="Remove it: it is made again.") from error
    return form


@functools.lru_cache(maxsize=4)
def changes_between(old: Path, present: Path) -> Changes:
    """Compare two saved references that are comparable; once per process, since what is saved does not change.

    :raises ArtifactError: if one of them cannot be read.
    """
    return Changes.between(read_table(old, "records").combine_chunks(), read_table(present, "records").combine_chunks())
