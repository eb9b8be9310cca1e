"""What goes wrong with a request, and how it is told: ``{"error_code": ..., "message": ...}``, as Databricks does."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from entity_matching.errors import EntityMatchingError, InputError, SchemaError
from entity_matching.serving.seen import seen_of

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.responses import Response

log = logging.getLogger(__name__)

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    413: "REQUEST_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Codes by HTTP status."""


class ServingError(EntityMatchingError):
    """Root of what a request is refused with. ``status``: the HTTP status. ``error_code``: what goes with it."""

    status = 400
    code = ""
    headers: Mapping[str, str] = {}

    @property
    def error_code(self) -> str:
        """The code that goes with it."""
        return self.code or code_of(self.status)


class BadRequestError(ServingError):
    """Raised when a request cannot be read."""


class InvalidValueError(ServingError):
    """Raised when a request can be read, and a value in it cannot be taken."""

    code = "INVALID_PARAMETER_VALUE"


class UnauthenticatedError(ServingError):
    """Raised when a request has no valid token."""

    status = 401
    headers = {"www-authenticate": "Bearer"}


class ForbiddenError(ServingError):
    """Raised when a token does not allow what is asked."""

    status = 403


class SlowClientError(ServingError):
    """Raised when a client takes too long to send its request."""

    status = 408


class TooLargeError(ServingError):
    """Raised when a request has more bytes than are allowed."""

    status = 413


class MediaTypeError(ServingError):
    """Raised when a request does not say what it holds, or holds what is not taken."""

    status = 415


class BusyError(ServingError):
    """Raised when as many requests wait as may."""

    status = 429
    headers = {"retry-after": "1"}


class UnavailableError(ServingError):
    """Raised when what a request needs is not there for the time being."""

    status = 503
    headers = {"retry-after": "5"}


class DeadlineError(ServingError):
    """Raised when a request takes too long to answer."""

    status = 504


def code_of(status: int) -> str:
    """Return the code that goes with an HTTP status."""
    return CODES.get(status, CODES[500] if status >= 500 else CODES[400])


def body_of(error_code: str, message: str) -> bytes:
    """Return the body of an error."""
    return json.dumps({"error_code": error_code, "message": message}).encode()


def answer(status: int, message: str, error_code: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that tells of an error."""
    from starlette.responses import Response  # noqa: PLC0415 - optional

    body = body_of(error_code or code_of(status), message)
    return Response(body, status, dict(headers or {}), "application/json")


def refusal(error: ServingError) -> Response:
    """Return the answer to a request that is refused."""
    return answer(error.status, str(error), error.error_code, error.headers)


def install(app: FastAPI) -> None:
    """Have an application tell all its errors in this form."""
    from fastapi.exceptions import RequestValidationError  # noqa: PLC0415 - optional
    from starlette.exceptions import HTTPException  # noqa: PLC0415 - optional

    def refused(request: Request, error: Any) -> Response:
        seen_of(request.scope).error_code = error.error_code
        return refusal(error)

    def input_error(_: Request, error: Any) -> Response:
        return answer(400, str(error), InvalidValueError.code)

    def http(_: Request, error: Any) -> Response:
        return answer(error.status_code, str(error.detail), headers=error.headers)

    def invalid(_: Request, error: Any) -> Response:
        return answer(400, _first(error.errors()), InvalidValueError.code)

    def unexpected(_: Request, __: Exception) -> Response:
        return answer(500, "The request could not be answered; the log tells where it failed.")

    app.add_exception_handler(ServingError, refused)
    app.add_exception_handler(InputError, input_error)
    app.add_exception_handler(SchemaError, input_error)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)


def _first(errors: Any) -> str:
    """Return what is wrong first, and where."""
    first = next(iter(errors), {"loc": (), "msg": "the request cannot be read"})
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}." if where else f"{message}."
