"""Load on an HTTP server, from a process of its own: a fixed number of connections, each asking again once answered.

It reads what to do as JSON from stdin, and writes what it found as JSON to stdout.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Load:
    """What to ask: bodies in turn. It ends after so many seconds, or so many requests if they are given.

    ``rate``: requests a second, which come at even times whether or not those before are answered; latencies then count
    from the time at which a request was due. By default each connection asks again as soon as it is answered.
    """

    port: int
    path: str
    bodies: list[str]
    connections: int
    seconds: float
    requests: int | None = None
    rate: float | None = None
    token: str = ""
    host: str = "127.0.0.1"

    def messages(self) -> list[bytes]:
        """Return the requests as they are sent."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {self.token}\r\n" if self.token else ""
        encoded = [body.encode() for body in self.bodies]
        return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in encoded]


@dataclass
class Found:
    """What was found. ``latencies``: seconds of each request that was answered with 200."""

    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: int = 0
    latencies: list[float] = field(default_factory=list)


async def run(load: Load) -> Found:
    """Put load on a server."""
    messages, found = load.messages(), Found()
    started = time.perf_counter()
    until = started + load.seconds if load.requests is None else float("inf")
    due = _due(load, started)
    await asyncio.gather(*(_connection(load, messages, due, until, found) for _ in range(load.connections)))
    found.seconds = time.perf_counter() - started
    return found


def _due(load: Load, started: float) -> Iterator[tuple[int, float | None]]:
    """Yield each request's number, and when it is due."""
    for number in range(load.requests if load.requests is not None else sys.maxsize):
        yield number, None if load.rate is None else started + number / load.rate


async def _connection(
    load: Load, messages: list[bytes], due: Iterator[tuple[int, float | None]], until: float, found: Found
) -> None:
    reader, writer = await asyncio.open_connection(load.host, load.port)
    for number, at in due:
        if (at or time.perf_counter()) >= until:
            break
        if at is not None:
            await asyncio.sleep(at - time.perf_counter())
        started = time.perf_counter() if at is None else at
        try:
            writer.write(messages[number % len(messages)])
            status = await _status(reader)
        except (OSError, asyncio.IncompleteReadError):
            found.failures += 1
            writer.close()
            reader, writer = await _again(load)
            continue
        found.statuses[status] += 1
        if status == 200:
            found.latencies.append(time.perf_counter() - started)
    writer.close()


async def _again(load: Load) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a server that may just be coming back.

    :raises OSError: if it does not.
    """
    for _ in range(50):
        try:
            return await asyncio.open_connection(load.host, load.port)
        except OSError:
            await asyncio.sleep(0.2)
    return await asyncio.open_connection(load.host, load.port)


async def _status(reader: asyncio.StreamReader) -> int:
    """Read an answer, and return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(vars(asyncio.run(run(Load(**json.load(sys.stdin)))))))
