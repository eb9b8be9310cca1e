"""The scheduler of this machine in the background: started, looked at, stopped."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from entity_matching.deploy.remembered import now
from entity_matching.deploy.whole_file import write_whole
from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.settings import HOME_VARIABLE

FOLDER = "schedule"
START_S = 60.0
"""Seconds that the scheduler has to start; importing its parts takes most of them on a busy machine."""
STOP_S = 15.0
LOG_BYTES = 1_000_000
"""Bytes of the log after which a new one is begun; three old ones are kept."""
_MODULE = "entity_matching.deploy.local.scheduler"
_LOOK_S = 0.1
_LAST = 2_000


@dataclass(frozen=True)
class RunningScheduler:
    """A scheduler that runs. ``since``: UTC, ISO 8601."""

    pid: int
    since: str

    @classmethod
    def find(cls, home: Path) -> RunningScheduler | None:
        """Return the scheduler of a home; ``None`` if none runs."""
        try:
            found = cls(**json.loads(_state(home).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if _is_locked(home) else None


def folder_of(home: Path) -> Path:
    """Return the folder of what a home's scheduler keeps."""
    return home / FOLDER


def log_of(home: Path) -> Path:
    """Return the file that a scheduler in the background logs to."""
    return folder_of(home) / "scheduler.log"


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Be the one scheduler of a home while the block runs.

    :raises EntityMatchingError: if another is, or the home cannot be written to.
    """
    lock = FileLock(_lock(home))
    try:
        folder_of(home).mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=2 * _LOOK_S)
    except Timeout as error:
        running = RunningScheduler.find(home)
        who = f" (process {running.pid})" if running else ""
        raise EntityMatchingError(
            f"The scheduler of {home} runs already{who}.", remedy="Stop it first: entity-matching schedule stop"
        ) from error
    except OSError as error:
        raise EntityMatchingError(
            f"The home {home} cannot be written to ({error.strerror or error}).", remedy="Name another with --home."
        ) from error
    try:
        write_whole(_state(home), json.dumps({"pid": os.getpid(), "since": now()}) + "\n")
        yield
    finally:
        _state(home).unlink(missing_ok=True)
        lock.release()


def start(home: Path, environment: Mapping[str, str]) -> RunningScheduler:
    """Start the scheduler of a home in the background; one that runs is left alone.

    :raises EntityMatchingError: if it cannot start, with the reason.
    """
    running = RunningScheduler.find(home)
    if running is not None:
        return running
    folder_of(home).mkdir(parents=True, exist_ok=True)
    said = folder_of(home) / "scheduler.err"
    with said.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", _MODULE],
            env={**environment, HOME_VARIABLE: str(home)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,  # it outlives this terminal
        )
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        running = RunningScheduler.find(home)
        if running is not None:
            return running
        if process.poll() is not None:
            told = said.read_text(encoding="utf-8", errors="replace").strip()[-_LAST:]
            _, _, message = told.rpartition("Error: ")
            raise EntityMatchingError(message or f"The scheduler ended as it started ({process.returncode}): {told}")
        time.sleep(_LOOK_S)
    raise EntityMatchingError(
        f"The scheduler has not started after {START_S:g} s.", remedy=f"See its log: {log_of(home)}"
    )


def stop(home: Path) -> RunningScheduler | None:
    """Stop the scheduler of a home; a run that it has started goes on to its end.

    :returns: the one that ran; ``None`` if none did.
    :raises EntityMatchingError: if it is not yours to stop.
    """
    running = RunningScheduler.find(home)
    if running is None:
        return None
    for number, patience in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, STOP_S)):
        try:
            with suppress(ProcessLookupError):
                os.kill(running.pid, number)
        except PermissionError as error:
            raise EntityMatchingError(
                f"The scheduler (process {running.pid}) is another user's.", remedy="Ask that user."
            ) from error
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if not _is_locked(home):
                return running
            time.sleep(_LOOK_S)
    raise EntityMatchingError(f"The scheduler (process {running.pid}) does not end.", remedy=f"See {log_of(home)}.")


def configure(home: Path, *, to_file: bool) -> None:
    """Let this process log: what it does, to the scheduler's file or to stderr."""
    handler: logging.Handler = logging.StreamHandler()
    if to_file:
        handler = logging.handlers.RotatingFileHandler(
            log_of(home), maxBytes=LOG_BYTES, backupCount=3, encoding="utf-8"
        )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("entity_matching")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logging.getLogger("apscheduler").handlers = [handler]
    logging.getLogger("apscheduler").setLevel(logging.WARNING)


def _state(home: Path) -> Path:
    return folder_of(home) / "scheduler.json"


def _lock(home: Path) -> Path:
    return folder_of(home) / "scheduler.lock"


def _is_locked(home: Path) -> bool:
    lock = FileLock(_lock(home))
    with suppress(Timeout, OSError):
        with lock.acquire(timeout=0):
            return False
    return True
