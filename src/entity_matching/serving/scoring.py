"""MLflow's scoring application with ours behind it: it reads and writes, pairs are judged in batches.

What a request may look like, what is said of a wrong one, and how an answer is written are MLflow's own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from entity_matching.matcher import Matcher
from entity_matching.schema import Schema
from entity_matching.serving.batching import Batcher, Coming
from entity_matching.serving.errors import BadRequestError, MediaTypeError, ServingError, body_of, code_of
from entity_matching.serving.plain import MEDIA_TYPES, Pairs, read_plain, write_plain
from entity_matching.serving.seen import seen_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

log = logging.getLogger(__name__)

_TIMEOUT_VARIABLE = "MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT"
_PATH = "/invocations"
LONG = 100_000
"""Bytes of a request from which it is read beside the others, so that they need not wait."""


@dataclass
class _Asked:
    """A request that MLflow is reading. ``failure``: why it is refused, which MLflow would put in other words."""

    coming: Coming
    rows: int | None = None
    failure: ServingError | None = None


_asked: ContextVar[_Asked] = ContextVar("asked")


@dataclass(frozen=True)
class Answer:
    """What is answered: an HTTP status, and JSON."""

    status: int
    body: bytes
    error_code: str | None = None


@dataclass(frozen=True)
class _BatchedMatcher:
    """A matcher as the model's code uses it, which judges together with others."""

    matcher: Matcher
    batcher: Batcher

    @property
    def schema(self) -> Schema:
        return self.matcher.schema

    def score_pairs(self, left: pa.Table, right: pa.Table) -> pa.Table:
        asked = _asked.get(None) or _Asked(Coming(has_come=True))
        asked.rows = left.num_rows
        try:
            return self.batcher.judge(self.matcher.score_pairs, left, right, asked.coming)
        except ServingError as error:
            asked.failure = error
            raise


@dataclass(frozen=True)
class _Implementation:
    """The model's code, as MLflow calls it."""

    model: Any

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return self.model.predict(None, data, params)


class Scoring:
    """MLflow's scoring application for one matcher."""

    def __init__(self, matcher: Matcher, batcher: Batcher) -> None:
        from mlflow.models import Model  # noqa: PLC0415 - optional, and takes seconds
        from mlflow.pyfunc import PyFuncModel, scoring_server  # noqa: PLC0415

        from entity_matching.registry.pair_model import PairModel  # noqa: PLC0415 - it imports MLflow
        from entity_matching.registry.signature import model_signature  # noqa: PLC0415

        os.environ[_TIMEOUT_VARIABLE] = str(int(batcher.timeout_s) + 60)  # ours ends first
        model: Any = PairModel()
        model.matcher = _BatchedMatcher(matcher, batcher)
        flavor = {"python_function": {"loader_module": "mlflow.pyfunc.model"}}
        described = Model(signature=model_signature(), flavors=flavor)
        self.app: ASGIApp = scoring_server.init(PyFuncModel(described, _Implementation(model)))
        self.matcher, self.batcher = matcher, batcher

    async def answer(self, body: bytes, scope: Scope) -> Answer:
        """Answer a request.

        :raises ServingError: if it is refused for another reason than what MLflow finds wrong with it.
        """
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), None)
        if kind is None:
            raise MediaTypeError("The request has no content type.", remedy="Send: Content-Type: application/json")
        with self.batcher.coming() as coming:
            if kind in MEDIA_TYPES and (pairs := await self._plain(body)) is not None:
                try:
                    judged = await self.batcher.judged(self.matcher.score_pairs, pairs.left, pairs.right, coming)
                    seen_of(scope).rows = judged.num_rows
                    return Answer(200, write_plain(judged))
                except ServingError:
                    raise
                except Exception:
                    log.exception("Pairs could not be judged.")  # which MLflow puts into words
            return await self._by_mlflow(body, scope, coming)

    async def _plain(self, body: bytes) -> Pairs | None:
        if len(body) < LONG:
            return read_plain(body, self.matcher.schema)
        return await asyncio.to_thread(read_plain, body, self.matcher.schema)

    async def _by_mlflow(self, body: bytes, scope: Scope, coming: Coming) -> Answer:
        asked = _Asked(coming)
        token = _asked.set(asked)
        try:
            status, content = await _called(self.app, scope, body)
        except RecursionError as error:
            raise BadRequestError("The request is nested too deeply.") from error
        except Exception as error:
            log.warning("MLflow could not read a request.", exc_info=True)
            raise BadRequestError(f"The request cannot be read ({type(error).__name__}).") from error
        finally:
            _asked.reset(token)
        if asked.failure is not None:
            raise asked.failure
        seen_of(scope).rows = asked.rows
        return Answer(status, content) if status == 200 else _retold(status, content)


async def _called(app: ASGIApp, scope: Scope, body: bytes) -> tuple[int, bytes]:
    """Call an application, and return status and body of what it answers."""
    status, parts, given = 500, [], False

    async def receive() -> Message:
        nonlocal given
        if given:
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    inner = {name: scope[name] for name in ("type", "asgi", "http_version", "method", "headers", "query_string")}
    inner |= {
        "path": _PATH,
        "raw_path": _PATH.encode(),
        "root_path": "",
        "scheme": "http",
        "client": None,
        "server": None,
    }
    await app(inner, receive, send)
    return status, b"".join(parts)


def _retold(status: int, content: bytes) -> Answer:
    """Return an error of MLflow's in the form of ours: its code and message, without where in its code it arose."""
    try:
        told = json.loads(content)
        code, message = str(told["error_code"]), str(told["message"])
    except (ValueError, TypeError, KeyError):
        code, message = code_of(status), content.decode("utf-8", "replace")
    return Answer(status, body_of(code, message), code)
