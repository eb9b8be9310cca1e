"""An endpoint in the background of this machine: started, looked at, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from entity_matching.errors import EntityMatchingError
from entity_matching.serving.server import Running
from entity_matching.serving.settings import VARIABLE, ServingSettings

LOOK_EVERY = 0.1
"""Seconds between two looks at a process that starts or stops."""
_LAST = 2_000
"""Characters of what a process said that are shown when it ends at once."""


def log_of(settings: ServingSettings) -> Path:
    """Return the file that an endpoint in the background logs to."""
    return settings.log or settings.folder / f"{settings.name}.log"


def start(settings: ServingSettings, environment: Mapping[str, str], timeout: float) -> Running:
    """Start an endpoint in the background, and wait until it answers.

    :param timeout: seconds to wait at most; after them it goes on to start.
    :raises EntityMatchingError: if it cannot start, with the reason; or does not answer in time.
    """
    settings = replace(settings, log=log_of(settings))
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    said = settings.folder / f"{settings.name}.err"
    with said.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "entity_matching.serving.server"],
            env={**environment, VARIABLE: settings.to_json()},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,  # it outlives this terminal
        )
    try:
        return _ready(settings, process, said, timeout)
    except (KeyboardInterrupt, SystemExit):
        process.terminate()
        raise


def _ready(settings: ServingSettings, process: subprocess.Popen[bytes], said: Path, timeout: float) -> Running:
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if process.poll() is not None:
            raise _ended(settings, process.returncode, said)
        running = Running.find(settings)
        if running is not None and running.pid == process.pid and running.ready:
            return running
        time.sleep(LOOK_EVERY)
    raise EntityMatchingError(
        f"The endpoint '{settings.name}' does not answer yet after {timeout:g} s; it goes on to start.",
        remedy=f"Wait for it (entity-matching endpoint wait) or see its log, {log_of(settings)}.",
    )


def _ended(settings: ServingSettings, code: int, said: Path) -> EntityMatchingError:
    told = said.read_text(encoding="utf-8", errors="replace").strip()[-_LAST:]
    _, _, message = told.rpartition("Error: ")
    if not message:
        return EntityMatchingError(
            f"The endpoint '{settings.name}' ended as it started (exit code {code}).",
            remedy=f"Its log tells why: {log_of(settings)}",
        )
    return EntityMatchingError(message)


def stop(settings: ServingSettings, timeout: float, *, force: bool = False) -> Running | None:
    """Stop the endpoint; what it has begun to answer, it finishes.

    :param timeout: seconds to wait for that.
    :param force: whether it is killed if it has not stopped by then.
    :returns: the endpoint that ran; ``None`` if none did.
    :raises EntityMatchingError: if it does not stop, or is not yours to stop.
    """
    running = Running.find(settings)
    if running is None:
        return None
    _signal(running, signal.SIGTERM)
    if _is_gone(settings, running, timeout):
        return running
    if not force:
        raise EntityMatchingError(
            f"The endpoint '{running.name}' has not stopped after {timeout:g} s: it finishes what it has begun.",
            remedy="Wait longer with --timeout, or stop it at once with --force.",
        )
    _signal(running, signal.SIGKILL)
    _is_gone(settings, running, timeout)
    return running


def _signal(running: Running, number: signal.Signals) -> None:
    try:
        with suppress(ProcessLookupError):
            os.kill(running.pid, number)
    except PermissionError as error:
        raise EntityMatchingError(
            f"The endpoint '{running.name}' (process {running.pid}) is another user's.", remedy="Ask that user."
        ) from error


def _is_gone(settings: ServingSettings, before: Running, timeout: float) -> bool:
    until = time.monotonic() + timeout
    while True:
        running = Running.find(settings)
        if running is None or running.pid != before.pid:
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(LOOK_EVERY)
