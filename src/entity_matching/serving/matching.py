"""Records of concurrent requests, matched together: a batch costs hardly more than one record."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from entity_matching.serving.errors import BusyError
from entity_matching.serving.match_answer import results
from entity_matching.serving.match_request import Asked
from entity_matching.serving.metrics import RECORDS, Metrics
from entity_matching.serving.settings import ServingSettings

if TYPE_CHECKING:
    from entity_matching.matcher import Matcher
    from entity_matching.matcher.reference import Reference

Result = dict[str, Any]


class Answering(Protocol):
    """What answers: a model and the reference it is asked about, each with its version."""

    @property
    def model_version(self) -> str:
        """Version of the model."""
        ...

    @property
    def matcher(self) -> Matcher:
        """The model."""
        ...

    @property
    def reference(self) -> Reference | None:
        """The reference; ``None`` where the catalog has none."""
        ...

    @property
    def reference_version(self) -> str | None:
        """Version of the reference."""
        ...


@dataclass(frozen=True)
class _Part:
    """Some records of one request that wait for their answers."""

    matcher: Matcher
    reference: Reference
    table: pa.Table
    candidates: int
    answer: asyncio.Future[pa.Table]


class Matching:
    """Matches what requests bring, as many at once as wait.

    While a batch is matched, others come together. One that was asked alone is answered at once; where several were
    answered together just before, their clients are about to ask again, and a moment is waited for as many.
    """

    def __init__(self, settings: ServingSettings, metrics: Metrics) -> None:
        self.queue, self.rows, self.wait_s = settings.queue, settings.match_rows, settings.batch_wait_ms / 1000
        self.metrics = metrics
        self._waiting: deque[_Part] = deque()
        self._requests = 0
        self._together = 1
        self._enough = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, "match")

    async def match(self, answering: Answering, reference: Reference, asked: Asked) -> list[Result]:
        """Return the decisions on a request's records, in their order.

        :raises BusyError: if too many requests wait.
        """
        if self._requests >= self.queue:
            raise BusyError(
                f"{self.queue:,} requests wait or are being answered already.", remedy="Try again in a moment."
            )
        self._requests += 1
        try:
            wanted = asked.candidates or answering.matcher.settings.decision.listed
            found = []
            for start in range(0, asked.table.num_rows, self.rows):
                part = asked.table.slice(start, self.rows)
                found.append(await self._part(_Part(answering.matcher, reference, part, wanted, _future())))
            return results(pa.concat_tables(found), asked.keys, wanted)
        finally:
            self._requests -= 1

    async def _part(self, part: _Part) -> pa.Table:
        self._waiting.append(part)
        self.metrics.waiting(RECORDS, len(self._waiting))
        if len(self._waiting) >= self._together:
            self._enough.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work())  # the loop itself keeps only a weak reference
        return await part.answer

    async def _work(self) -> None:
        """Match until nothing waits."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await self._gather()
                batch = self._take()
                self._together = max(len(batch), 1)
                self.metrics.waiting(RECORDS, len(self._waiting))
                if not batch:
                    continue
                started = time.perf_counter()
                try:
                    tables = await loop.run_in_executor(self._pool, _match, batch)
                except Exception as error:  # noqa: BLE001 - it is told to whoever asked
                    await self._one_by_one(batch, error)
                    continue
                rows = sum(part.table.num_rows for part in batch)
                self.metrics.batch(RECORDS, rows, time.perf_counter() - started)
                for part, table in zip(batch, tables, strict=True):
                    if not part.answer.done():
                        part.answer.set_result(table)
        finally:
            self._task = None

    async def _gather(self) -> None:
        """Wait a moment for as many as were matched together before."""
        if len(self._waiting) >= self._together:
            return
        self._enough.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.wait_s):
                await self._enough.wait()

    async def _one_by_one(self, batch: Sequence[_Part], error: Exception) -> None:
        """Match each part alone, so that one that cannot be matched does no harm to the others."""
        loop = asyncio.get_running_loop()
        for part in batch:
            if part.answer.done():
                continue
            try:
                if len(batch) == 1:
                    raise error
                part.answer.set_result((await loop.run_in_executor(self._pool, _match, [part]))[0])
            except Exception as own:  # noqa: BLE001 - the same
                part.answer.set_exception(own)

    def _take(self) -> list[_Part]:
        """Take from what waits a batch for one model and one reference."""
        batch: list[_Part] = []
        rows = 0
        while self._waiting:
            part = self._waiting[0]
            if part.answer.done():  # whoever asked has gone
                self._waiting.popleft()
                continue
            same = not batch or (part.matcher is batch[0].matcher and part.reference is batch[0].reference)
            if not same or (batch and rows + part.table.num_rows > self.rows):
                break
            batch.append(self._waiting.popleft())
            rows += part.table.num_rows
        return batch


def _match(batch: Sequence[_Part]) -> list[pa.Table]:
    """Match the records of several requests in one go."""
    first = batch[0]
    listed = max(part.candidates for part in batch)
    matcher = first.matcher
    if listed != matcher.settings.decision.listed:
        decision = replace(matcher.settings.decision, listed=listed)
        matcher = replace(matcher, model=matcher.model.with_decision(decision))
    decided = matcher.match_prepared(pa.concat_tables([part.table for part in batch]), first.reference)
    tables, start = [], 0
    for part in batch:
        tables.append(decided.slice(start, part.table.num_rows))
        start += part.table.num_rows
    return tables


def _future() -> asyncio.Future[pa.Table]:
    return asyncio.get_running_loop().create_future()
