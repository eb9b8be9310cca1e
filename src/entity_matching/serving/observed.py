"""A layer that counts and logs every request, and gives each an id by which it is found in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from entity_matching.serving.logs import FIELDS
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.seen import Seen

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_QUIET = frozenset({"/health", "/ready", "/metrics"})
"""Paths that are asked every few seconds: they are counted, and logged only if they fail."""


class Observed:
    """Counts and logs the requests to an application.

    :param routes: what a path is called in counts and in the log; others are all called "other".
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Mapping[str, str]) -> None:
        self.app, self.metrics, self.routes = app, metrics, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        seen = Seen.begin(scope, Headers(scope=scope))
        seen.route = self.routes.get(scope["path"], "other")
        status = 499  # the client went away before it was answered

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = seen.request_id
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception:
            status = 500
            raise
        finally:
            self._note(seen, scope, status, time.perf_counter() - started)

    def _note(self, seen: Seen, scope: Scope, status: int, seconds: float) -> None:
        self.metrics.requests.labels(seen.route, str(status)).inc()
        self.metrics.seconds.labels(seen.route).observe(seconds)
        if seen.rows:
            self.metrics.rows.labels(seen.route).inc(seen.rows)
        if scope["path"] in _QUIET and status < 400:
            return
        fields = {"method": scope["method"], "status": status, "seconds": round(seconds, 6), **vars(seen)}
        told = {name: value for name, value in fields.items() if value is not None}
        log.log(logging.ERROR if status == 500 else logging.INFO, "request", extra={FIELDS: told})
