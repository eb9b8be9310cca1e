"""A program that is run to its end, and ended in good order when this process is."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

GRACE = 60.0
"""Seconds that an interrupted program has to end by itself: it may have a lock to give back."""


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    tell: Callable[[str], None] | None = None,
) -> Ended:
    """Run a program to its end.

    It gets a process group of its own, so that Ctrl-C reaches this process alone; that hands it on once and waits,
    since a program killed half-way leaves a lock behind that keeps the next deployment out.

    :param command: the program and its arguments.
    :param folder: where it runs.
    :param environment: its environment, whole.
    :param tell: takes each line that it writes on stderr, as it comes.
    :raises OSError: if it cannot be started.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        process_group=0 if os.name == "posix" else None,
    )
    lines: list[str] = []
    try:
        reader = threading.Thread(target=_read, args=(process.stderr, lines, tell), daemon=True)
        reader.start()
        assert process.stdout is not None  # noqa: S101 - it is a pipe, for the type checker
        out = process.stdout.read()
        code = process.wait()
        reader.join()
    except BaseException:
        _end(process, command[0])
        raise
    return Ended(code, out, "".join(lines))


def _read(stream: IO[str] | None, lines: list[str], tell: Callable[[str], None] | None) -> None:
    for line in stream or ():
        lines.append(line)
        if tell is not None and line.strip():
            tell(line.rstrip())


def _end(process: subprocess.Popen[str], name: str) -> None:
    if process.poll() is not None:
        return
    log.warning("Interrupted; waiting for %s to end.", Path(name).name)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
