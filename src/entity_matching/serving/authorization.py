"""Who may ask what: a layer that lets a request through only with a token that allows it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from entity_matching.serving.errors import ForbiddenError, ServingError, UnauthenticatedError, UnavailableError, refusal
from entity_matching.serving.seen import seen_of
from entity_matching.serving.tokens import Permission, Token, Tokens, TokensError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

OPEN = frozenset({"/health", "/ready", "/docs", "/openapi.json", "/.well-known/databricks-config"})
"""Paths that need no token: they tell nothing of records."""
MANAGED = frozenset({"/metrics"})
"""Paths that need the permission to manage; all others need the permission to query."""
_HEADER, _SCHEME = b"authorization", "bearer"


class Authorized:
    """Lets those requests through to an application that have a token which allows them."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self.app, self.tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at a request."""
        if scope["type"] == "http" and scope["path"] not in OPEN:
            try:
                token = self._token(scope)
                seen_of(scope).token = token.name
                _check(token, Permission.CAN_MANAGE if scope["path"] in MANAGED else Permission.CAN_QUERY)
            except ServingError as error:
                seen_of(scope).error_code = error.error_code
                await refusal(error)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _token(self, scope: Scope) -> Token:
        """Return the token of a request.

        :raises UnauthenticatedError: if it has none that is valid.
        """
        given = [value for name, value in scope["headers"] if name == _HEADER]
        scheme, _, secret = (given[0].decode("latin-1") if len(given) == 1 else "").partition(" ")
        if scheme.lower() != _SCHEME or not secret.strip():
            raise UnauthenticatedError(
                "The request has no token.", remedy="Send the header: Authorization: Bearer TOKEN"
            )
        try:
            token = self.tokens.check(secret.strip())
        except TokensError as error:
            log.error("%s", error)
            raise UnavailableError("Tokens cannot be checked now; the log of the endpoint tells why.") from error
        if token is None:
            raise UnauthenticatedError(
                "The token is not valid: it is unknown, expired or revoked.",
                remedy="Make one with: entity-matching endpoint token create NAME",
            )
        return token


def _check(token: Token, wanted: Permission) -> None:
    """Check that a token allows something.

    :raises ForbiddenError: if it does not.
    """
    if not token.permission.allows(wanted):
        raise ForbiddenError(
            f"The token '{token.name}' has the permission {token.permission}; this needs {wanted}.",
            remedy="Use another token.",
        )
