"""A client of an endpoint: the same requests to one on this machine and to one on Databricks."""

from __future__ import annotations

import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from entity_matching.errors import EntityMatchingError

MATCH = "/match"
Answer = dict[str, Any]
Headers = Callable[[], Mapping[str, str]]
"""Gives the headers that a request is let through with; asked anew for each, since a token may expire."""
Tell = Callable[[str], None]
"""Takes a line about what is waited for."""
WAITED_FOR = frozenset({429, 502, 503, 504})
"""What an endpoint answers that starts, or has too much to do: the same request may succeed a moment later."""
LONGEST_PAUSE = 30.0
"""Seconds between two tries at most."""
_LONGEST_MESSAGE = 600
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class EndpointError(EntityMatchingError):
    """Raised when an endpoint does not answer as it should. ``status``: the HTTP status, 0 if nothing answered."""

    def __init__(self, message: str, *, remedy: str = "", status: int = 0) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


@dataclass(frozen=True)
class Client:
    """Asks an endpoint.

    :param name: the endpoint's name.
    :param url: address of the machine or workspace, without a path.
    :param headers: gives the headers that let a request through.
    :param timeout: seconds that one try may take.
    :param patience: seconds after the first try until which an endpoint that starts, or is busy, is tried again.
    :param tell: takes what is waited for.
    """

    name: str
    url: str
    headers: Headers = dict
    timeout: float = 120.0
    patience: float = 15.0
    tell: Tell = lambda _: None
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def invoke(self, payload: Mapping[str, Any]) -> Answer:
        """Ask about pairs of records, by MLflow's protocol (``dataframe_records``, ``inputs``, ...).

        :returns: ``predictions``.
        :raises EndpointError: naming what is wrong and what helps.
        """
        return self._asked(f"/serving-endpoints/{self.name}/invocations", payload)

    def match(self, payload: Mapping[str, Any]) -> Answer:
        """Ask which records of the reference some records denote, as ``POST /match`` takes it.

        :raises EndpointError: naming what is wrong and what helps.
        """
        return self._asked(MATCH, payload)

    def ready(self) -> Answer:
        """Return what an endpoint on a machine tells of itself, in one try.

        :raises EndpointError: if it is not ready.
        """
        return self._once("/ready", None)

    def _asked(self, path: str, payload: Mapping[str, Any]) -> Answer:
        body = json.dumps(payload).encode()
        started, pause = self.clock(), 1.0
        while True:
            try:
                return self._once(path, body)
            except EndpointError as error:
                waited = self.clock() - started
                left = self.patience - waited
                hopeless = error.status not in WAITED_FOR and not isinstance(error, _SilentError)
                if hopeless or left <= 0:
                    raise
                wait = min(error.retry_after or pause, left) if isinstance(error, _LaterError) else min(pause, left)
                self.tell(f"{self.name} is not ready yet ({error.message}); trying again in {math.ceil(wait)} s.")
                self.sleep(wait)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _once(self, path: str, body: bytes | None) -> Answer:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise EndpointError(f"'{self.url}' is no address.", remedy="Give it as https://HOST or http://HOST:PORT.")
        headers = {"content-type": "application/json", "accept": "application/json", **self.headers()}
        request = urllib.request.Request(self.url.rstrip("/") + path, data=body, headers=headers)
        try:
            with _opener(self.url).open(request, timeout=self.timeout) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error.code, error.read(), error.headers) from error
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise _SilentError(
                f"Nothing answers at {self.url} ({reason}).",
                remedy="See that the endpoint runs: entity-matching endpoint status",
            ) from error
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise EndpointError(f"{self.url}{path} answers with something that is not JSON.", remedy=_CHECK) from error
        if not isinstance(answer, dict):
            raise EndpointError(f"{self.url}{path} answers with something else than an endpoint does.", remedy=_CHECK)
        return answer

    def _refused(self, status: int, content: bytes, headers: Message) -> EndpointError:
        told = _message(content)
        what, remedy = _KNOWN.get(status, ("could not answer ({status})", "The endpoint's log has the details."))
        message = f"{self.name} {what.format(status=status)}" + (f": {told}" if told else ".")
        if status == 404 and not told:
            message = f"There is no endpoint '{self.name}' at {self.url}."
        if status in WAITED_FOR:
            return _LaterError(message, remedy=remedy, status=status, retry_after=_seconds(headers.get("retry-after")))
        return EndpointError(message, remedy="" if status == 400 else remedy, status=status)


class _SilentError(EndpointError):
    """Raised when nothing answers."""


class _LaterError(EndpointError):
    """Raised when an answer may come later. ``retry_after``: seconds that the endpoint asked to wait."""

    def __init__(self, message: str, *, remedy: str, status: int, retry_after: float | None) -> None:
        super().__init__(message, remedy=remedy, status=status)
        self.retry_after = retry_after


_CHECK = "Check the address."
_KNOWN = {
    400: ("does not take the request", ""),
    401: (
        "does not take the token",
        "Set ENTITY_MATCHING_TOKEN to one that 'entity-matching endpoint token create NAME' made, or log in to "
        "Databricks.",
    ),
    403: ("refuses this", "The token, or your user on Databricks, needs CAN_QUERY; /metrics needs CAN_MANAGE."),
    404: ("is not there", "See its name: entity-matching endpoint status"),
    408: ("had to wait for the request too long", "Send it from nearer by, or in smaller parts (--batch)."),
    413: ("takes no request as large as this", "Send fewer records at once: --batch N"),
    429: ("is busy", "Try again later, or send fewer requests at once."),
    502: ("cannot be reached behind its proxy", "Try again in a moment."),
    503: ("is not ready", "Wait for it: entity-matching endpoint wait"),
    504: ("took too long", "Send fewer records at once: --batch N"),
}


def _message(content: bytes) -> str:
    """Return what an endpoint says of an error, if it says it as ours and Databricks' do."""
    try:
        told = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
    return told if len(told) <= _LONGEST_MESSAGE else f"{told[:_LONGEST_MESSAGE]}..."


def _seconds(given: str | None) -> float | None:
    """Return what the header Retry-After asks for; a date, which it may be too, is left alone."""
    return min(float(given), LONGEST_PAUSE) if given is not None and given.isdecimal() else None


def _opener(url: str) -> urllib.request.OpenerDirector:
    """Return what opens an address: with the proxy of the environment, unless it is on this machine."""
    handlers = [_Straight()]
    if urlsplit(url).hostname in _LOOPBACK:
        return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    return urllib.request.build_opener(*handlers)


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: it would take the token along to another machine."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return no other request."""
        return None
