"""Micro-batches: pairs of requests that come at the same time are judged at once.

Judging costs more to begin than for each further pair. While a batch is judged, others come; they make the next one.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from entity_matching.serving.errors import DeadlineError, UnavailableError
from entity_matching.serving.metrics import PAIRS, Metrics
from entity_matching.serving.settings import ServingSettings

log = logging.getLogger(__name__)

Judge = Callable[[pa.Table, pa.Table], pa.Table]
"""Judges pairs, one row of each table, each pair by itself; one row each."""


@dataclass
class _Part:
    """Pairs of a request that are judged together."""

    judge: Judge
    left: pa.Table
    right: pa.Table
    answer: Future[pa.Table] = field(default_factory=Future)


@dataclass
class Coming:
    """A request whose pairs are about to come. ``has_come``: whether they have."""

    has_come: bool = False


class Batcher:
    """Judges in one thread what many ask for; requests for different judges are never mixed."""

    def __init__(self, settings: ServingSettings, metrics: Metrics) -> None:
        self.rows, self.wait_s, self.timeout_s = settings.batch_rows, settings.batch_wait_ms / 1000, settings.timeout_s
        self.metrics = metrics
        self._parts: deque[_Part] = deque()
        self._coming = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    @contextmanager
    def coming(self) -> Iterator[Coming]:
        """Say that a request is being read: a batch waits for it, though not for long."""
        coming = Coming()
        with self._changed:
            self._coming += 1
        try:
            yield coming
        finally:
            with self._changed:
                self._arrived(coming)

    def judge(self, judge: Judge, left: pa.Table, right: pa.Table, coming: Coming | None = None) -> pa.Table:
        """Judge pairs together with those of others; the calling thread waits.

        A request of more pairs than a batch may have is judged in parts, between which others have their turn.

        :param coming: what :meth:`coming` gave for the request.
        :raises DeadlineError: if it takes longer than a request may.
        """
        deadline = time.monotonic() + self.timeout_s
        answers = []
        for part in self._split(judge, left, right):
            self._put(part, coming)
            try:
                answers.append(part.answer.result(max(deadline - time.monotonic(), 0.0)))
            except LateError as error:
                part.answer.cancel()
                raise DeadlineError("The pairs could not be judged in time.", remedy="Send fewer at once.") from error
        return answers[0] if len(answers) == 1 else pa.concat_tables(answers)

    async def judged(self, judge: Judge, left: pa.Table, right: pa.Table, coming: Coming | None = None) -> pa.Table:
        """Do the same without holding a thread; it can be cancelled."""
        answers = []
        for part in self._split(judge, left, right):
            self._put(part, coming)
            answers.append(await asyncio.wrap_future(part.answer))
        return answers[0] if len(answers) == 1 else pa.concat_tables(answers)

    def _split(self, judge: Judge, left: pa.Table, right: pa.Table) -> Iterator[_Part]:
        for start in range(0, max(left.num_rows, 1), self.rows):
            yield _Part(judge, left.slice(start, self.rows), right.slice(start, self.rows))

    def close(self) -> None:
        """Finish what is there, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _put(self, part: _Part, coming: Coming | None) -> None:
        with self._changed:
            if self._closed:
                raise UnavailableError("The endpoint is stopping.")
            self._parts.append(part)
            self._arrived(coming)
            self.metrics.waiting(PAIRS, len(self._parts))
            self._changed.notify_all()

    def _arrived(self, coming: Coming | None) -> None:
        if coming is not None and not coming.has_come:
            coming.has_come = True
            self._coming -= 1
            self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._next():
            started = time.perf_counter()
            _judge(batch)
            rows = sum(part.left.num_rows for part in batch)
            self.metrics.batch(PAIRS, rows, time.perf_counter() - started)

    def _next(self) -> list[_Part]:
        """Wait for pairs, and return those to judge next; none if there will be no more."""
        with self._changed:
            while not self._parts and not self._closed:
                self._changed.wait()
            until = time.monotonic() + self.wait_s
            while self._coming and (left := until - time.monotonic()) > 0:
                if sum(part.left.num_rows for part in self._parts) >= self.rows:
                    break
                self._changed.wait(left)
            batch = self._take()
            self.metrics.waiting(PAIRS, len(self._parts))
            return batch

    def _take(self) -> list[_Part]:
        batch: list[_Part] = []
        rows = 0
        while self._parts:
            part = self._parts[0]
            if batch and (part.judge != batch[0].judge or rows + part.left.num_rows > self.rows):
                break
            batch.append(self._parts.popleft())
            rows += part.left.num_rows
        return batch


def _judge(batch: list[_Part]) -> None:
    """Judge a batch; if that fails, each part by itself, so that one does not fail the others."""
    batch = [part for part in batch if part.answer.set_running_or_notify_cancel()]
    if len(batch) > 1:
        try:
            left, right = (
                pa.concat_tables(side) for side in zip(*((part.left, part.right) for part in batch), strict=True)
            )
            judged, start = batch[0].judge(left, right), 0
            for part in batch:
                part.answer.set_result(judged.slice(start, part.left.num_rows))
                start += part.left.num_rows
            return
        except Exception:
            log.exception("A batch could not be judged; its parts are judged by themselves.")
    for part in batch:
        if part.answer.done():
            continue
        try:
            part.answer.set_result(part.judge(part.left, part.right))
        except Exception as error:  # noqa: BLE001 - it goes to whoever asked
            part.answer.set_exception(error)
