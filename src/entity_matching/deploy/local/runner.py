"""A job of a bundle, run on this machine."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from entity_matching.deploy.local.deployed import Deployed
from entity_matching.deploy.local.graph import TICK_S, Graph
from entity_matching.deploy.local.records import DONE, FAILED, RUNNING, STOPPED, TIMED_OUT, Attempt, RunRecord, Runs
from entity_matching.deploy.local.task import Task, references_of, tasks_of
from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.job import new_run_id, utc_now
from entity_matching.lakehouse.settings import HOME_VARIABLE, RUNTIME_VARIABLE

log = logging.getLogger(__name__)

MANUAL, SCHEDULE, CATCH_UP, DEPLOYMENT = "manual", "schedule", "catch-up", "deployment"
"""What starts a run."""
WAIT_S = 3_600
"""Seconds that a task waits for another job's task on the same catalog, unless its parameters say otherwise."""
_WAIT = "wait"
_SLOTS = ".slots"
Tell = Callable[[str], None]
"""Takes a line about what has begun or ended."""


@dataclass(frozen=True)
class Runner:
    """Runs jobs of what is deployed.

    :param environment: of the tasks' processes.
    :param tell: takes what has begun and ended.
    """

    deployed: Deployed
    environment: Mapping[str, str]
    tell: Tell = lambda _: None

    @property
    def runs(self) -> Runs:
        """The records of runs."""
        return Runs(self.deployed.home)

    def run(self, key: str, given: Mapping[str, str] | None = None, *, trigger: str = MANUAL) -> RunRecord:
        """Run a job to its end.

        :param key: the job's key in the bundle.
        :param given: values of its parameters.
        :returns: how it went, whether well or not; it is written down, too.
        :raises EntityMatchingError: if there is no such job, it cannot be run here, or as many of it run as may.
        """
        job = self.deployed.job(key)
        tasks = tasks_of(key, job)
        self.runs.settle()
        with self._slot(key, int(job.get("max_concurrent_runs") or 1), queued=_is_queued(job)):
            run_id = new_run_id(utc_now)
            known = references_of(key, job, run_id, f"{datetime.now(UTC):%Y-%m-%d}", given or {})
            arguments = {name: _with_wait(task, task.arguments(known)) for name, task in tasks.items()}
            record = RunRecord(run_id, key, str(job.get("name", key)), trigger, _now(), os.getpid(),
                               parameters=dict(given or {}))  # fmt: skip
            with self.runs.open(record):
                self._go(record, job, tasks, arguments)
            self.runs.prune(key)
        return record

    def _go(
        self, record: RunRecord, job: Mapping[str, object], tasks: Mapping[str, Task], arguments: dict[str, list[str]]
    ) -> None:
        def note(key: str, attempt: Attempt) -> None:
            tries = record.tasks.setdefault(key, [])
            if not tries or tries[-1] is not attempt:
                tries.append(attempt)
            self.runs.write(record)
            self._say(key, attempt, tasks[key])

        timeout = float(str(job.get("timeout_seconds") or 0))
        folder = self.runs.folder_of(record.run_id)
        graph = Graph(tasks, arguments, folder, self._folder, self._environment(), note, timeout, self._say_where)
        statuses: dict[str, str] = {}
        try:
            statuses = graph.run()
            record.status = _status(statuses)
        except BaseException:
            record.status = STOPPED
            raise
        finally:
            record.finished_at = _now()
            record.message = _message(record, statuses)
            self.runs.write(record)

    @property
    def _folder(self) -> Path:
        return self.deployed.root if self.deployed.root.is_dir() else self.deployed.home

    def _environment(self) -> dict[str, str]:
        """Return the environment of the tasks: on this machine, in this home."""
        kept = {name: value for name, value in self.environment.items() if name != RUNTIME_VARIABLE}
        return {"OMP_WAIT_POLICY": "PASSIVE", **kept, HOME_VARIABLE: str(self.deployed.home), "PYTHONUNBUFFERED": "1"}

    def _say(self, key: str, attempt: Attempt, task: Task) -> None:
        again = f" (try {attempt.number})" if attempt.number > 1 else ""
        if attempt.status == RUNNING:
            self.tell(f"{key}{again} ...")
            return
        took = seconds_between(attempt.started_at, attempt.finished_at)
        why = f": {attempt.message}" if attempt.message else ""
        self.tell(f"{key}{again} {attempt.status} in {took:.1f} s{why}")
        if attempt.status == FAILED and attempt.number <= task.retries and attempt.exit_code != 2:
            self.tell(f"{key} is tried again in {task.pause_s:g} s.")

    def _say_where(self, key: str, seconds: float, line: str) -> None:
        self.tell(f"{key}, {seconds:.0f} s{': ' if line else ' ...'}{line}")

    @contextmanager
    def _slot(self, key: str, most: int, *, queued: bool) -> Iterator[None]:
        """Hold one of the places for runs of a job at once while the block runs.

        :raises EntityMatchingError: if none is free, and the job does not queue.
        """
        folder = self.runs.folder / _SLOTS
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EntityMatchingError(
                f"The home {self.deployed.home} cannot be written to ({error.strerror or error}).",
                remedy="Name another with --home.",
            ) from error
        told = False
        while True:
            for place in range(most):
                lock = FileLock(folder / f"{key}.{place}.lock")
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    continue
                try:
                    yield
                finally:
                    lock.release()
                return
            if not queued:
                raise EntityMatchingError(
                    f"{most} run{'s' if most > 1 else ''} of '{key}' already go{'' if most > 1 else 'es'} on, "
                    "and no more may at once (max_concurrent_runs).",
                    remedy="Wait, or see them with: entity-matching status",
                )
            if not told:
                self.tell(f"Another run of '{key}' goes on; this one waits for it to end.")
                told = True
            time.sleep(4 * TICK_S)


def seconds_between(begin: str, end: str | None) -> float:
    """Return the seconds from one time to another; 0 if there is no other."""
    return 0.0 if end is None else (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def failure(record: RunRecord, runs: Runs) -> EntityMatchingError:
    """Return the error for a run that did not go well."""
    return EntityMatchingError(
        f"The run {record.run_id} of '{record.job}' {record.status}: {record.message or 'nobody knows why'}",
        remedy=f"Its logs are in {runs.folder_of(record.run_id)}.",
    )


def _is_queued(job: Mapping[str, object]) -> bool:
    queue = job.get("queue")
    return bool(queue.get("enabled")) if isinstance(queue, Mapping) else False


def _with_wait(task: Task, arguments: list[str]) -> list[str]:
    """Return the arguments with how long the task waits for others: here jobs share one catalog's lock."""
    return arguments if _WAIT in task.parameters else [*arguments, f"--{_WAIT}={WAIT_S}"]


def _status(statuses: Mapping[str, str]) -> str:
    for status in (TIMED_OUT, FAILED):
        if status in statuses.values():
            return status
    return DONE if all(status == DONE for status in statuses.values()) else FAILED


def _message(record: RunRecord, statuses: Mapping[str, str]) -> str | None:
    """Return which task did not go well, and why."""
    if record.status == DONE:
        return None
    for key, status in statuses.items():
        if status in (FAILED, TIMED_OUT):
            tries = record.tasks.get(key, [])
            return f"{key}: {(tries[-1].message if tries else None) or status}"
    if record.status == STOPPED:
        return "It was stopped."
    return "It took longer than the job may."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
