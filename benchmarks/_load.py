"""Load on an HTTP server, from a process of its own: a fixed number of connections, each asking again once answered.

It reads what to do as JSON from stdin, and writes what it found as JSON to stdout.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Load:
    """What to ask: bodies in turn. It ends after so many seconds, or so many requests if they are given."""

    port: int
    path: str
    bodies: list[str]
    connections: int
    seconds: float
    requests: int | None = None
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
    given = iter(range(load.requests if load.requests is not None else sys.maxsize))
    started = time.perf_counter()
    until = started + load.seconds if load.requests is None else float("inf")
    await asyncio.gather(*(_connection(load, messages, given, until, found) for _ in range(load.connections)))
    found.seconds = time.perf_counter() - started
    return found


async def _connection(load: Load, messages: list[bytes], given: Any, until: float, found: Found) -> None:
    reader, writer = await asyncio.open_connection(load.host, load.port)
    while time.perf_counter() < until and (number := next(given, None)) is not None:
        started = time.perf_counter()
        try:
            writer.write(messages[number % len(messages)])
            status = await _status(reader)
        except (OSError, asyncio.IncompleteReadError):
            found.failures += 1
            writer.close()
            reader, writer = await asyncio.open_connection(load.host, load.port)
            continue
        found.statuses[status] += 1
        if status == 200:
            found.latencies.append(time.perf_counter() - started)
    writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    """Read an answer, and return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(vars(asyncio.run(run(Load(**json.load(sys.stdin)))))))
