"""Tables too large for one message to Spark, handed over as Parquet files."""

from __future__ import annotations

import logging
import shutil
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

LARGEST_MESSAGE = 16 * 2**20
"""Bytes of a table that are sent as they are; larger ones go through a file. (gRPC refuses 128 MiB.)"""
STALE = 7 * 86_400
"""Seconds after which what a killed process left behind is removed."""


class Staging:
    """Files that live as long as a session.

    :param parent: a folder that Spark's workers can read; the session makes one of its own in it when needed.
    """

    def __init__(self, parent: Path) -> None:
        self.parent = parent
        self._folder: Path | None = None

    def put(self, table: pa.Table) -> str:
        """Write a table and return where."""
        if self._folder is None:
            self._remove_stale()
            self._folder = self.parent / uuid.uuid4().hex
            self._folder.mkdir(parents=True)
        path = self._folder / f"{uuid.uuid4().hex}.parquet"
        pq.write_table(table, path, row_group_size=65_536)
        return str(path)

    def clear(self) -> None:
        """Remove the files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _remove_stale(self) -> None:
        for folder in self.parent.glob("*"):
            if time.time() - folder.stat().st_mtime > STALE:
                log.info("removing %s, which a process left behind", folder)
                shutil.rmtree(folder, ignore_errors=True)
