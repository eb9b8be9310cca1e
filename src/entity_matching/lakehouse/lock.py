"""One run at a time: a lock that the operating system takes back when its process dies."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.failures import explained
from entity_matching.lakehouse.names import folder_name
from entity_matching.lakehouse.settings import DATABRICKS, LakehouseSettings

log = logging.getLogger(__name__)

LOOK = 0.2
"""Seconds after which a lock is taken to be held by a run, and not by :func:`is_going_on` of another process."""


@contextmanager
def exclusive_run(settings: LakehouseSettings, *, wait: float = 0.0) -> Iterator[None]:
    """Keep other runs on the same catalog away while the block runs.

    The lock is a file of the home, so it holds between processes of one machine. On Databricks there is none: each run
    has a machine of its own, and the job's ``max_concurrent_runs`` keeps runs apart.

    :param wait: seconds to wait for another run to end; 0 refuses it (after 0.2 s).
    :raises EntityMatchingError: if another run is still going on, or the home cannot be written to.
    """
    if settings.target == DATABRICKS:
        yield
        return
    path = _path(settings)
    holder = path.with_suffix(".json")
    lock = FileLock(path)
    with explained(settings):
        path.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, settings, wait, holder)
    try:
        with suppress(OSError):  # it is only there for the message
            started = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
            holder.write_text(json.dumps({"pid": os.getpid(), "since": started}), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        lock.release()


def is_going_on(settings: LakehouseSettings) -> bool | None:
    """Say whether a run on the catalog is going on.

    :return: ``None`` where there is no lock that could tell: on Databricks.
    """
    path = _path(settings)
    if settings.target == DATABRICKS:
        return None
    if not path.is_file():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # of a home that cannot be written to nothing is known; nobody could run there
        return True
    lock.release()
    return False


def _path(settings: LakehouseSettings) -> Path:
    return settings.locks / f"{folder_name(settings.catalog)}.lock"


def _acquire(lock: FileLock, settings: LakehouseSettings, wait: float, holder: Path) -> None:
    with suppress(Timeout):
        lock.acquire(timeout=0)
        return
    who = _who(holder)
    if wait > 0:
        log.info("waiting for another run on the catalog '%s'%s to end", settings.catalog, who)
    try:
        lock.acquire(timeout=max(wait, LOOK))
    except Timeout as error:
        waited = f" It was waited for {wait:g} s." if wait > 0 else ""
        raise EntityMatchingError(
            f"Another run on the catalog '{settings.catalog}' is going on{_who(holder)}.{waited}",
            remedy="Wait for it to end, or let this one wait with --wait SECONDS.",
        ) from error


def _who(holder: Path) -> str:
    """Return who holds the lock, as far as it is known."""
    try:
        held = json.loads(holder.read_text(encoding="utf-8"))
        return f" (process {held['pid']}, since {held['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
