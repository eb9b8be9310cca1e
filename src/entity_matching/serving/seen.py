"""What is seen of a request on its way, to be counted and logged: never what its records say."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import Scope

_KEY = "seen"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass
class Seen:
    """What is known of a request. ``rows``: records or pairs in it. ``token``: the name of its token."""

    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    route: str = "other"
    token: str | None = None
    bytes: int = 0
    rows: int | None = None
    model_version: str | None = None
    error_code: str | None = None

    @classmethod
    def begin(cls, scope: Scope, headers: Mapping[str, str]) -> Seen:
        """Start to look at a request; its id is the one the client gave, if it is one."""
        given = headers.get("x-request-id", "")
        seen = cls(request_id=given) if _REQUEST_ID.fullmatch(given) else cls()
        scope.setdefault("state", {})[_KEY] = seen
        return seen


def seen_of(scope: Mapping[str, Any]) -> Seen:
    """Return what is seen of a request; of one that nobody looks at, a new one."""
    found = scope.get("state", {}).get(_KEY)
    return found if isinstance(found, Seen) else Seen()
