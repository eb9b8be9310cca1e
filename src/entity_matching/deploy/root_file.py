"""``databricks.yml``: the copy of one phase's file that the Databricks CLI reads, and what was there before."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from entity_matching.deploy.bundle import PHASES, phase_file
from entity_matching.deploy.whole_file import write_whole
from entity_matching.errors import EntityMatchingError, InputError

log = logging.getLogger(__name__)

NAME = "databricks.yml"
BEFORE = f".{NAME}.before"
"""File that keeps what was there before, while a deployment goes on: what a killed one leaves is put back from it."""
_LOCK = f".{NAME}.lock"
_LOOK = 0.2


def find_root(start: Path) -> Path:
    """Return the folder with the files of the phases: ``start``, or one above it.

    :raises InputError: if there is none.
    """
    for folder in (start, *start.parents):
        if (folder / phase_file(PHASES[0])).is_file():
            return folder
    raise InputError(
        f"{start} is not in a folder with {phase_file(PHASES[0])}.",
        remedy="Run it in the project's folder, or name that with --root.",
    )


class RootFile:
    """The file ``databricks.yml`` of a folder, while one deployment has it to itself.

    :param root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / NAME
        self._before = root / BEFORE

    @contextmanager
    def held(self) -> Iterator[RootFile]:
        """Keep other deployments away while the block runs; after it, what was there before is put back.

        Unless :meth:`keep` was called. What a killed deployment left is mended first.

        :raises EntityMatchingError: if another deployment from this folder is going on.
        """
        lock = FileLock(self.root / _LOCK)
        try:
            lock.acquire(timeout=_LOOK)
        except Timeout as error:
            raise EntityMatchingError(
                f"Another deployment from {self.root} is going on.", remedy="Wait until it has ended."
            ) from error
        except OSError as error:
            raise EntityMatchingError(f"{self.root} cannot be written to ({error.strerror or error}).") from error
        try:
            if self._before.exists():
                self._put_back()
                log.warning("A deployment was killed; %s is again what it was before it.", self.path)
            yield self
        finally:
            if self._before.exists():
                self._put_back()
            lock.release()

    def show(self, phase: int) -> None:
        """Make it a copy of a phase's file.

        :raises InputError: if there is no such file.
        """
        source = self.root / phase_file(phase)
        text = _text(source)
        if text is None:
            raise InputError("is not there.", file=str(source), remedy="Restore it.")
        if not self._before.exists():
            write_whole(self._before, json.dumps({"pid": os.getpid(), "before": _text(self.path)}))
        write_whole(self.path, text)

    def keep(self) -> None:
        """Let it stay as it is now."""
        self._before.unlink(missing_ok=True)

    def remove(self) -> None:
        """Let there be none from now on."""
        self.path.unlink(missing_ok=True)
        self.keep()

    def _put_back(self) -> None:
        try:
            before = json.loads(self._before.read_text(encoding="utf-8"))["before"]
        except (ValueError, KeyError, TypeError):  # never half of it: it was not written by this
            log.warning("%s cannot be read, and is removed; %s stays as it is.", self._before, self.path)
        else:
            if before is None:
                self.path.unlink(missing_ok=True)
            else:
                write_whole(self.path, before)
        with suppress(OSError):
            self._before.unlink()


def _text(path: Path) -> str | None:
    """Return what a file holds, byte for byte; ``None`` if it is not there.

    :raises InputError: if it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error}).", file=str(path)) from error
