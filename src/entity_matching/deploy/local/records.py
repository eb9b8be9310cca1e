"""The records of runs on this machine: a folder for each, with what became of every task and its log."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from entity_matching.deploy.whole_file import write_whole
from entity_matching.errors import EntityMatchingError

log = logging.getLogger(__name__)

RUNNING, DONE, FAILED, TIMED_OUT = "running", "done", "failed", "timed out"
SKIPPED, STOPPED, KILLED = "skipped", "stopped", "killed"
"""How a run or task stands. ``stopped``: by who started it; ``killed``: its process is gone, and could not say so."""
FOLDER = "runs"
KEPT = 200
"""Records kept of each job, the newest."""
_FILE, _LOCK = "run.json", ".lock"


@dataclass
class Attempt:
    """One try of a task. Times are UTC, ISO 8601. ``figures``: what the task told at its end."""

    number: int
    status: str
    started_at: str
    finished_at: str | None = None
    exit_code: int | None = None
    pid: int | None = None
    message: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class RunRecord:
    """One run of a job. ``trigger``: what started it (manual, schedule, catch-up, deployment)."""

    run_id: str
    job: str
    name: str
    trigger: str
    started_at: str
    pid: int
    status: str = RUNNING
    finished_at: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, list[Attempt]] = field(default_factory=dict)
    message: str | None = None

    def figures(self, task: str) -> dict[str, Any]:
        """Return what a task told at its end; nothing if it did not come to it."""
        attempts = self.tasks.get(task)
        return attempts[-1].figures if attempts else {}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read what was written.

        :raises TypeError: if it is something else.
        """
        tasks = {key: [Attempt(**one) for one in tries] for key, tries in data.pop("tasks").items()}
        return cls(**data, tasks=tasks)


@dataclass(frozen=True)
class Runs:
    """The records in a home."""

    home: Path

    @property
    def folder(self) -> Path:
        """Where they are."""
        return self.home / FOLDER

    def folder_of(self, run_id: str) -> Path:
        """Return a run's folder: its record and the logs of its tasks."""
        return self.folder / run_id

    @contextmanager
    def open(self, record: RunRecord) -> Iterator[RunRecord]:
        """Keep a record while the block runs: as long as its lock is held, the run is known to be alive."""
        folder = self.folder_of(record.run_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EntityMatchingError(
                f"{folder} cannot be made ({error.strerror or error}).", remedy="Name another home with --home."
            ) from error
        lock = FileLock(folder / _LOCK)
        with lock.acquire(timeout=0):
            self.write(record)
            yield record

    def write(self, record: RunRecord) -> None:
        """Write a record down."""
        write_whole(self.folder_of(record.run_id) / _FILE, json.dumps(asdict(record), indent=1, ensure_ascii=False))

    def all(self, job: str | None = None) -> list[RunRecord]:
        """Return the records, the newest first. One whose process is gone although it runs is ``killed``.

        :param job: only those of this job.
        """
        found = []
        for path in sorted(self.folder.glob(f"*/{_FILE}"), reverse=True):
            record = self._read(path)
            if record is not None and job in (None, record.job):
                found.append(record)
        return sorted(found, key=lambda record: record.started_at, reverse=True)

    def settle(self) -> list[RunRecord]:
        """Write down of runs that were killed that they were; return them."""
        found = [record for record in self.all() if record.status == KILLED and record.finished_at is None]
        for record in found:
            record.finished_at = record.started_at
            for tries in record.tasks.values():
                tries[-1].status = KILLED if tries[-1].status == RUNNING else tries[-1].status
                record.finished_at = tries[-1].finished_at or tries[-1].started_at
            self.write(record)
        return found

    def prune(self, job: str, keep: int = KEPT) -> None:
        """Remove the oldest records of a job, but for so many."""
        old = [record for record in self.all(job)[keep:] if record.status != RUNNING]
        for record in old:
            shutil.rmtree(self.folder_of(record.run_id), ignore_errors=True)
        if old:
            log.info("%d old records of runs of '%s' are removed; %d are kept.", len(old), job, keep)

    def _read(self, path: Path) -> RunRecord | None:
        try:
            record = RunRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("The record %s cannot be read (%s), and is left out.", path, error)
            return None
        if record.status == RUNNING and not _is_held(path.with_name(_LOCK)):
            record.status = KILLED
        return record


def _is_held(path: Path) -> bool:
    lock = FileLock(path)
    with suppress(Timeout, OSError):
        with lock.acquire(timeout=0):
            return False
    return True
