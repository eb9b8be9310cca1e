from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from entity_matching.serving.limits import Limited
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.settings import ServingSettings

SETTINGS = ServingSettings(max_body=100, memory=150, queue=1, timeout_s=0.2, read_timeout_s=0.3)


def scope(**headers: str) -> dict[str, Any]:
    """Return a request as the server hands it on."""
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/invocations", "headers": listed, "state": {}}


async def ask(app: Any, given: dict[str, Any], parts: Iterable[Any]) -> tuple[int, Any]:
    """Send a body in parts, of which a number is a pause in seconds; return status and body of the answer."""
    waiting = list(parts)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        while waiting and isinstance(waiting[0], float):
            await asyncio.sleep(waiting.pop(0))
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(given, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return (sent[0]["status"], json.loads(body)) if sent else (0, {})


async def length(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the length of a request; one that is all "w" is answered late."""
    body = (await receive())["body"]
    if set(body) == {ord("w")}:
        await asyncio.sleep(0.1 if len(body) < 5 else 5)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


def limited() -> Limited:
    return Limited(length, SETTINGS, Metrics())


def test_a_request_comes_through_whole() -> None:
    app = limited()
    assert asyncio.run(ask(app, scope(), [b"a" * 50, b"b" * 50])) == (200, 100)
    assert asyncio.run(ask(app, scope(), [b""])) == (200, 0)
    assert (app.held, app.under_way) == (0, 0)


def test_one_byte_too_many_is_refused_whatever_length_was_said() -> None:
    for headers in ({}, {"content_length": "100"}, {"content_length": "101"}, {"content_length": "x"}):
        app = limited()
        status, told = asyncio.run(ask(app, scope(**headers), [b"a" * 50, b"b" * 51]))
        assert (status, told["error_code"]) == (413, "REQUEST_TOO_LARGE")
        assert "100 bytes" in told["message"]
        assert app.held == 0


def test_who_takes_too_long_to_send_is_told() -> None:
    status, told = asyncio.run(ask(limited(), scope(), [b"a", 0.2, b"b", 0.2, b"c", 1.0, b"d"]))
    assert (status, told["error_code"]) == (408, "REQUEST_TIMEOUT")


def test_what_takes_too_long_to_answer_is_given_up() -> None:
    app = limited()
    status, told = asyncio.run(ask(app, scope(), [b"wwwwww"]))
    assert (status, told["error_code"]) == (504, "DEADLINE_EXCEEDED")
    assert app.under_way == 0


def test_one_too_many_at_once_is_sent_away_for_a_while() -> None:
    async def both() -> Sequence[tuple[int, Any]]:
        app = limited()
        return await asyncio.gather(ask(app, scope(), [b"www"]), ask(app, scope(), [0.05, b"a"]))

    (first, _), (second, told) = asyncio.run(both())
    assert (first, second, told["error_code"]) == (200, 429, "REQUEST_LIMIT_EXCEEDED")


def test_who_is_sent_away_is_told_when_to_come_again() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"a", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    app = limited()
    app.under_way = SETTINGS.queue
    asyncio.run(app(scope(), receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 429
    assert (b"retry-after", b"1") in sent[0]["headers"]


def test_more_bytes_than_may_be_held_are_sent_away() -> None:
    async def both() -> Sequence[tuple[int, Any]]:
        app = limited()
        slow = [b"a" * 90, 0.1, b"b"]
        return await asyncio.gather(ask(app, scope(), slow), ask(app, scope(), [0.05, b"c" * 90]))

    (first, _), (second, told) = asyncio.run(both())
    assert (first, second, told["error_code"]) == (200, 429, "REQUEST_LIMIT_EXCEEDED")


def test_a_client_that_goes_away_leaves_nothing_behind() -> None:
    app = limited()
    assert asyncio.run(ask(app, scope(), [])) == (0, {})
    assert (app.held, app.under_way) == (0, 0)
