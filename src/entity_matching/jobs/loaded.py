"""Models and references, read once per process, however many partitions ask for them at once."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

from entity_matching.jobs.models import MANIFEST
from entity_matching.matcher import Matcher
from entity_matching.matcher.reference import Reference

_lock = threading.Lock()
"""Two partitions in one process must not both read the same gigabytes."""


def loaded_matcher(folder: str | Path, *, cascade: bool = True) -> Matcher:
    """Return the model in a folder, read again only if it was written again.

    :param cascade: whether only candidates in doubt go to Ditto; otherwise all do.
    :raises ArtifactError: if it cannot be read, or has no Ditto to send all candidates to.
    """
    with _lock:
        return _matcher(str(folder), _stamp(Path(folder) / MANIFEST), cascade)


def loaded_reference(folder: str | Path) -> Reference:
    """Return the reference in a folder, read again only if it was written again.

    :raises ArtifactError: if it cannot be read.
    """
    with _lock:
        return _reference(str(folder), _stamp(Path(folder) / "index" / "index.json"))


def _stamp(path: Path) -> int:
    """Return when a file was written, in nanoseconds; 0 if it is not there, which reading it will complain of."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=2)
def _matcher(folder: str, _stamp: int, cascade: bool) -> Matcher:
    matcher = Matcher.load(folder)
    return matcher if cascade else matcher.without_cascade()


@functools.lru_cache(maxsize=1)
def _reference(folder: str, _stamp: int) -> Reference:
    return Reference.load(folder)
