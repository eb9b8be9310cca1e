"""Records of concurrent requests, matched together: a batch costs hardly more than one record."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from entity_matching.serving.errors import BusyError
from entity_matching.serving.match_answer import results
from entity_matching.serving.match_request import Asked

if TYPE_CHECKING:
    from entity_matching.matcher import Matcher
    from entity_matching.matcher.reference import Reference

ROWS = 128
"""Records matched at once at most: a request with more goes in parts, and others come in between."""
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

    While a batch is matched, others come together: no request waits for others to come.

    :param queue: requests at most that wait or are being answered; further ones are refused.
    :param threads: batches matched at once.
    :param rows: records of a batch at most.
    """

    def __init__(self, queue: int, threads: int = 1, rows: int = ROWS) -> None:
        self.queue, self.threads, self.rows = queue, threads, rows
        self._waiting: deque[_Part] = deque()
        self._requests = 0
        self._going = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool = ThreadPoolExecutor(threads, "match")

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
        if self._going < self.threads:
            self._going += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._tasks.discard)
        return await part.answer

    async def _work(self) -> None:
        """Match until nothing waits."""
        loop = asyncio.get_running_loop()
        try:
            while batch := self._take():
                try:
                    tables = await loop.run_in_executor(self._pool, _match, batch)
                except Exception as error:  # noqa: BLE001 - it is told to whoever asked
                    await self._one_by_one(batch, error)
                    continue
                for part, table in zip(batch, tables, strict=True):
                    if not part.answer.done():
                        part.answer.set_result(table)
        finally:
            self._going -= 1

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
