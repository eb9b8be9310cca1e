"""One run at a time: a lock that the operating system takes back when its process dies."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.settings import LakehouseSettings

log = logging.getLogger(__name__)


@contextmanager
def exclusive_run(settings: LakehouseSettings, *, wait: float = 0.0) -> Iterator[None]:
    """Keep other runs on the same catalog away while the block runs.

    :param wait: seconds to wait for another run to end; 0 refuses at once.
    :raises EntityMatchingError: if another run is still going on.
    """
    settings.locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.locks / f"{settings.catalog}.lock")
    try:
        lock.acquire(timeout=wait)
    except Timeout as error:
        raise EntityMatchingError(
            f"Another run on the catalog '{settings.catalog}' is going on.",
            remedy="Wait for it to end, or let this one wait with --wait SECONDS.",
        ) from error
    try:
        yield
    finally:
        lock.release()
