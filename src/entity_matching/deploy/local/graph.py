"""A graph of tasks, run: each as a process, in the order of their dependencies, side by side where those allow it."""

from __future__ import annotations

import graphlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from entity_matching.deploy.local.records import DONE, FAILED, RUNNING, SKIPPED, STOPPED, TIMED_OUT, Attempt
from entity_matching.deploy.local.task import Task

log = logging.getLogger(__name__)

TICK_S = 0.05
"""Seconds between two looks at the processes."""
GRACE_S = 10.0
"""Seconds that a process which is told to stop has before it is killed."""
WRONG_USE = 2
"""Exit code of a task that was called wrongly: trying it again would change nothing."""
_MODULE = "entity_matching.deploy.local.entry"
BEAT_S = 20.0
"""Seconds after which, and then again, it is told what a task is at."""
_TAIL = 4_000
"""Bytes at the end of a log in which the reason of a failure is looked for."""

_STAMP = re.compile(r"^\S+ \S+ (?:INFO|WARNING) ")
OnBeat = Callable[[str, float, str], None]
"""Takes a task's key, the seconds it has run, and the last line of its log."""
OnChange = Callable[[str, Attempt], None]
"""Takes a task's key and its last try, when that begins and when it ends."""


@dataclass
class _Process:
    """A process that runs a task."""

    process: subprocess.Popen[bytes]
    attempt: Attempt
    output: Path
    deadline: float
    kill_at: float | None = None
    began: float = field(default_factory=time.monotonic)
    beats: int = 0


@dataclass
class Graph:
    """One run of some tasks.

    :param tasks: the tasks by their keys, each after those it depends on.
    :param arguments: what each task's process is called with.
    :param folder: where their logs go, ``<task>.log``, and what they answered, ``<task>.json``.
    :param cwd: where they run. :param environment: of their processes.
    :param on_change: is told of every beginning and end.
    :param timeout_s: seconds that all of it may take; 0 has no end.
    :param on_beat: is told now and then what a task is at that takes long.
    """

    tasks: Mapping[str, Task]
    arguments: Mapping[str, list[str]]
    folder: Path
    cwd: Path
    environment: Mapping[str, str]
    on_change: OnChange
    timeout_s: float = 0.0
    on_beat: OnBeat = lambda *_: None
    running: dict[str, _Process] = field(default_factory=dict)
    due: dict[str, tuple[float, int]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)

    def run(self) -> dict[str, str]:
        """Run the tasks; whatever ends this, none of their processes is left.

        :returns: of each task how it ended: done, failed, timed out, or skipped because another one was not done.
        """
        sorter = graphlib.TopologicalSorter({task.key: task.depends_on for task in self.tasks.values()})
        sorter.prepare()
        until = time.monotonic() + self.timeout_s if self.timeout_s else None
        try:
            while sorter.is_active():
                for key in sorter.get_ready():
                    self._take(key)
                self._start_due()
                for key in self._settled():
                    sorter.done(key)
                if until is not None and time.monotonic() > until:
                    self._stop_all(TIMED_OUT)
                    break
                if sorter.is_active():
                    time.sleep(TICK_S)
        except BaseException:
            self._stop_all(STOPPED)
            raise
        return {key: self.statuses.get(key, SKIPPED) for key in self.tasks}

    def _take(self, key: str) -> None:
        if all(self.statuses.get(other) == DONE for other in self.tasks[key].depends_on):
            self.due[key] = (0.0, 1)
        else:
            self.statuses[key] = SKIPPED

    def _start_due(self) -> None:
        for key, (at, number) in list(self.due.items()):
            if time.monotonic() >= at:
                del self.due[key]
                self._start(key, number)

    def _start(self, key: str, number: int) -> None:
        task = self.tasks[key]
        attempt = Attempt(number=number, status=RUNNING, started_at=_now())
        written, output = self.folder / f"{key}.log", self.folder / f"{key}.json"
        command = [sys.executable, "-P", "-m", _MODULE, task.entry_point, *self.arguments[key]]
        with written.open("ab") as errors, output.open("wb") as out:
            errors.write(f"== {attempt.started_at} try {number}: {task.entry_point} {self.arguments[key]}\n".encode())
            errors.flush()
            process = subprocess.Popen(
                command,
                cwd=self.cwd,
                env=dict(self.environment),
                stdin=subprocess.PIPE,  # never written to: see entry.py
                stdout=out,
                stderr=errors,
                process_group=0,
            )
        deadline = time.monotonic() + task.timeout_s if task.timeout_s else float("inf")
        self.running[key] = _Process(process, attempt, output, deadline)
        attempt.pid = process.pid
        self.on_change(key, attempt)

    def _settled(self) -> list[str]:
        """Look at every process; return the tasks that have come to an end, also those that are skipped."""
        ended = [key for key, status in self.statuses.items() if status == SKIPPED and key not in self._told]
        self._told.update(ended)
        for key, one in list(self.running.items()):
            if one.process.poll() is None:
                self._watch(one)
                self._beat(key, one)
                continue
            del self.running[key]
            _close(one)
            self._note_end(key, one)
            if not self._tries_again(key, one.attempt):
                self.statuses[key] = one.attempt.status
                ended.append(key)
        return ended

    def __post_init__(self) -> None:
        """Nothing has been told yet."""
        self._told: set[str] = set()

    def _watch(self, one: _Process) -> None:
        now = time.monotonic()
        if one.kill_at is None and now > one.deadline:
            _signal(one.process, signal.SIGTERM)
            one.attempt.status = TIMED_OUT
            one.kill_at = now + GRACE_S
        elif one.kill_at is not None and now > one.kill_at:
            _signal(one.process, signal.SIGKILL)

    def _beat(self, key: str, one: _Process) -> None:
        lasted = time.monotonic() - one.began
        if lasted < BEAT_S * (one.beats + 1):
            return
        one.beats = int(lasted / BEAT_S)
        lines = _end_of(self.folder / f"{key}.log").strip().splitlines()
        line = lines[-1] if lines else ""
        self.on_beat(key, lasted, "" if line.startswith("== ") else _STAMP.sub("", line))

    def _note_end(self, key: str, one: _Process) -> None:
        attempt, code = one.attempt, one.process.returncode
        attempt.finished_at, attempt.exit_code = _now(), code
        if attempt.status == TIMED_OUT:
            attempt.message = f"It took longer than {self.tasks[key].timeout_s:g} s."
        elif code == 0:
            attempt.status, attempt.figures = DONE, _figures(one.output)
        else:
            attempt.status = FAILED
            attempt.message = _reason(self.folder / f"{key}.log", code)
        self.on_change(key, attempt)

    def _tries_again(self, key: str, attempt: Attempt) -> bool:
        task = self.tasks[key]
        if attempt.status == DONE or attempt.exit_code == WRONG_USE:
            return False
        if attempt.status == TIMED_OUT and not task.retries_timeout:
            return False
        if task.retries >= 0 and attempt.number > task.retries:
            return False
        self.due[key] = (time.monotonic() + task.pause_s, attempt.number + 1)
        return True

    def _stop_all(self, status: str) -> None:
        """Stop what still runs: a task has a moment to end by itself."""
        for one in self.running.values():
            _signal(one.process, signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        for key, one in self.running.items():
            with suppress(subprocess.TimeoutExpired):
                one.process.wait(max(until - time.monotonic(), 0))
            _signal(one.process, signal.SIGKILL)
            one.process.wait()
            _close(one)
            one.attempt.status, one.attempt.finished_at = status, _now()
            one.attempt.exit_code = one.process.returncode
            self.statuses[key] = status
            self.on_change(key, one.attempt)
        self.running.clear()


def _close(one: _Process) -> None:
    if one.process.stdin is not None:
        one.process.stdin.close()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _figures(output: Path) -> dict[str, Any]:
    try:
        told = json.loads(output.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _reason(written: Path, code: int) -> str:
    """Return why a task failed, as far as it said."""
    _, found, message = _end_of(written).rpartition("Error: ")
    if found:
        return message.strip()
    return f"It was killed (signal {-code})." if code < 0 else f"It ended with exit code {code}."


def _end_of(written: Path) -> str:
    with written.open("rb") as file:
        file.seek(max(0, written.stat().st_size - _TAIL))
        return file.read().decode("utf-8", errors="replace")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
