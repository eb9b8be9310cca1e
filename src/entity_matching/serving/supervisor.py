"""Keeps an endpoint's processes running: as many as there should be, a new one for each that dies, until told to stop.

All processes share one listening socket. One that is killed takes only the requests along that it was answering; the
connections that wait are taken in by the others.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from entity_matching.errors import EntityMatchingError
from entity_matching.serving.metrics import FOLDER_VARIABLE, forget
from entity_matching.serving.settings import VARIABLE, ServingSettings
from entity_matching.serving.worker import FAILED, READY

log = logging.getLogger(__name__)

TICK_S = 0.05
"""Seconds between two looks at the processes."""
PATIENCE_S = 5.0
"""Seconds that a process has to end beyond those that its requests may take."""
LONGEST_PAUSE_S = 30.0
"""Seconds at most before a process that keeps dying is started again."""
STEADY_S = 60.0
"""Seconds after which a process that dies is not held to be one that keeps dying."""
_THREADS = "OMP_NUM_THREADS"


class StartError(EntityMatchingError):
    """Raised when an endpoint cannot begin to answer."""


@dataclass
class _Worker:
    """A process. ``heard``: what it has told so far. ``ready``: whether it answers."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    started: float = field(default_factory=time.monotonic)
    heard: bytes = b""
    ready: bool = False
    failure: str = ""

    def listen(self) -> None:
        """Take in what the process tells."""
        try:
            while told := self.control.recv(65_536):
                self.heard += told
        except (BlockingIOError, OSError):
            pass
        *lines, self.heard = self.heard.split(b"\n")
        for line in lines:
            message = json.loads(line)
            self.ready = self.ready or READY in message
            self.failure = str(message.get(FAILED, self.failure))


class Supervisor:
    """Runs the processes of one endpoint.

    :param listener: the socket they answer at; it is closed when they stop.
    :param counts: folder in which they count.
    :param on_ready: called once, when all of them answer.
    """

    def __init__(
        self, settings: ServingSettings, listener: socket.socket, counts: Path, on_ready: Callable[[], None]
    ) -> None:
        self.settings, self.listener, self.counts, self.on_ready = settings, listener, counts, on_ready
        self.stopping = False
        self._workers: list[_Worker | None] = [None] * settings.workers
        self._deaths = [0] * settings.workers
        self._due = [0.0] * settings.workers
        self._answered = False
        self._was_ready = False

    def run(self) -> None:
        """Run until a signal says to stop.

        :raises StartError: if a process cannot begin; then all are stopped.
        """
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            while not self.stopping:
                self._look()
                time.sleep(TICK_S)
        finally:
            self._end_all()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, _: int, __: FrameType | None) -> None:
        self.stopping = True

    def _look(self) -> None:
        """Look at each process once: start those that are due, hear them, note those that ended."""
        for place, worker in enumerate(self._workers):
            if worker is None:
                if time.monotonic() >= self._due[place]:
                    self._workers[place] = self._started()
                continue
            worker.listen()
            self._answered = self._answered or worker.ready
            if worker.process.poll() is not None:
                worker.listen()  # what it told at the very end
                self._ended(place, worker)
        if not self._was_ready and all(worker is not None and worker.ready for worker in self._workers):
            self._was_ready = True
            self.on_ready()

    def _started(self) -> _Worker:
        here, there = socket.socketpair()
        here.setblocking(False)
        threads = max(1, (os.cpu_count() or 1) // self.settings.workers)
        environment = {
            _THREADS: str(threads),
            **os.environ,
            VARIABLE: self.settings.to_json(),
            FOLDER_VARIABLE: str(self.counts),
        }
        sockets = (self.listener.fileno(), there.fileno())
        command = [sys.executable, "-m", "entity_matching.serving.worker", *map(str, sockets)]
        with there:
            # in a group of its own: Ctrl-C reaches us, and we tell the processes
            process = subprocess.Popen(command, env=environment, pass_fds=sockets, process_group=0)
        log.info("Process %d is started.", process.pid)
        return _Worker(process, here)

    def _ended(self, place: int, worker: _Worker) -> None:
        """Note that a process has ended, and when another one is started in its place.

        :raises StartError: if none has answered so far: then there is no use in another one.
        """
        worker.control.close()
        self._workers[place] = None
        forget(self.counts, worker.process.pid)
        code = worker.process.returncode
        if not self._answered:
            why = worker.failure or f"A process of the endpoint ended with {code} before it could answer."
            raise StartError(why)
        lived = time.monotonic() - worker.started
        self._deaths[place] = 0 if lived > STEADY_S else self._deaths[place] + 1
        pause = 0.0 if self._deaths[place] <= 1 else min(2.0 ** (self._deaths[place] - 2), LONGEST_PAUSE_S)
        self._due[place] = time.monotonic() + pause
        log.error(
            "Process %d ended with %d; another one is started in %g s. %s",
            worker.process.pid,
            code,
            pause,
            worker.failure,
        )

    def _end_all(self) -> None:
        """Let the processes finish what they have; kill those that take too long."""
        self.listener.close()
        there = [worker for worker in self._workers if worker is not None]
        for worker in there:
            worker.process.terminate()
        deadline = time.monotonic() + self.settings.timeout_s + PATIENCE_S
        for worker in there:
            try:
                worker.process.wait(max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                log.error("Process %d does not end; it is killed.", worker.process.pid)
                worker.process.kill()
                worker.process.wait()
            worker.control.close()
