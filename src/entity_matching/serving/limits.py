"""Limits: a layer that reads each request, in bounds of size and time, and lets only so many through at once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from entity_matching.serving.errors import (
    BusyError,
    DeadlineError,
    ServingError,
    SlowClientError,
    TooLargeError,
    refusal,
)
from entity_matching.serving.seen import seen_of
from entity_matching.serving.settings import ServingSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from entity_matching.serving.metrics import Metrics

log = logging.getLogger(__name__)

DRAIN_S = 5.0
"""Seconds for which what a client still sends is taken in, unread, so that it comes to read why it was refused."""
DRAIN_TIMES = 4
"""As many times the largest request is taken in so at most."""


class GoneError(Exception):
    """Raised when a client has gone away before its request was complete."""


class Limited:
    """Passes requests on to an application within the limits of the settings."""

    def __init__(self, app: ASGIApp, settings: ServingSettings, metrics: Metrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self.held = 0
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read a request and pass it on."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        reading = _Reading(self, scope, receive)
        try:
            body = await reading.read()
            await self._answer(body, scope, receive, send)
        except GoneError:
            seen_of(scope).error_code = "CLIENT_GONE"
        except ServingError as error:
            seen_of(scope).error_code = error.error_code
            await _refuse(error, reading, scope, receive, send)
        finally:
            self.held -= reading.held

    async def _answer(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer.

        :raises BusyError: if as many requests as may be are under way.
        :raises DeadlineError: if it takes too long, and has not begun to answer.
        """
        if self.under_way >= self.settings.queue:
            raise BusyError(f"{self.under_way} requests are waiting.", remedy="Try again in a second.")
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        self.under_way += 1
        self.metrics.under_way.set(self.under_way)
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                await self.app(scope, _replayed(body, receive), noting)
        except TimeoutError as error:
            if started:
                raise
            raise DeadlineError(
                f"The answer takes longer than {self.settings.timeout_s:g} seconds.",
                remedy="Send fewer records at once.",
            ) from error
        finally:
            self.under_way -= 1
            self.metrics.under_way.set(self.under_way)


class _Reading:
    """Reads one request. ``held``: bytes of it that are kept. ``complete``: whether all of it came."""

    def __init__(self, limited: Limited, scope: Scope, receive: Receive) -> None:
        self.limited, self.scope, self.receive = limited, scope, receive
        self.headers = dict(scope["headers"])
        self.held = 0
        self.complete = False

    async def read(self) -> bytes:
        """Return the body.

        :raises ServingError: if it is too large, too slow, or too much is held already.
        :raises GoneError: if the client goes away.
        """
        length = self.headers.get(b"content-length", b"0")
        self._check(int(length) if length.isdigit() else 0)
        chunks = []
        try:
            async with asyncio.timeout(self.limited.settings.read_timeout_s):
                while not self.complete:
                    chunk = await self.next()
                    self._keep(len(chunk))
                    chunks.append(chunk)
        except TimeoutError as error:
            raise SlowClientError(
                f"The request was not complete after {self.limited.settings.read_timeout_s:g} seconds.",
                remedy="Send it faster, or send fewer records at once.",
            ) from error
        seen_of(self.scope).bytes = self.held
        return b"".join(chunks)

    async def next(self) -> bytes:
        """Return the next part of the body.

        :raises GoneError: if the client goes away.
        """
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        self.complete = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    def _keep(self, size: int) -> None:
        self._check(self.held + size)
        if self.limited.held + size > self.limited.settings.memory:
            raise BusyError(
                f"The requests that wait have {self.limited.held:,} bytes.", remedy="Try again in a second."
            )
        self.held += size
        self.limited.held += size

    def _check(self, size: int) -> None:
        most = self.limited.settings.max_body
        if size > most:
            raise TooLargeError(
                f"The request has more than {most:,} bytes.", remedy="Send its records in several requests."
            )

    async def drain(self) -> None:
        """Take in what the client still sends, for a while."""
        if self.headers.get(b"expect", b"").lower() == b"100-continue":
            return  # it sends nothing unless told to
        left = DRAIN_TIMES * self.limited.settings.max_body
        with suppress(TimeoutError, GoneError):
            async with asyncio.timeout(DRAIN_S):
                while not self.complete and left > 0:
                    left -= len(await self.next())


async def _refuse(error: ServingError, reading: _Reading, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell a client why it is refused, then hear it out: most read an answer only when they have sent everything."""
    response = refusal(error)
    if reading.complete:
        await response(scope, receive, send)
        return
    response.headers["connection"] = "close"
    await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    await reading.drain()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives an application a body that was read."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
