"""Tokens: who may ask the endpoint, and for what. Of a token only its SHA-256 is kept."""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from entity_matching.errors import EntityMatchingError
from entity_matching.storage import replace_text

PREFIX = "em_"
SIZE = 32
"""Random bytes of a token."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_LONGEST = 1_024
"""Characters of a token that are looked at: ours are shorter."""


class Permission(enum.StrEnum):
    """What a token allows, as Databricks names it; each allows what those before it do."""

    CAN_QUERY = "CAN_QUERY"
    CAN_MANAGE = "CAN_MANAGE"

    def allows(self, wanted: Permission) -> bool:
        """Say whether who has this one may do what needs the other."""
        order = list(Permission)
        return order.index(self) >= order.index(wanted)


@dataclass(frozen=True)
class Token:
    """What is known of a token. ``digest``: its SHA-256 in hex. ``created``, ``expires``, ``revoked``: times in UTC."""

    name: str
    permission: Permission
    digest: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Say whether it is valid at a time."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class TokensError(EntityMatchingError):
    """Raised when the file of tokens cannot be read, or a change to it cannot be made."""


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Tokens:
    """The tokens in a file, read again whenever the file changes.

    :param path: the file; it need not be there.
    :param clock: gives the time, in UTC.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = utc_now) -> None:
        self.path, self.clock = path, clock
        self._read: tuple[tuple[int, int, int] | None, tuple[Token, ...]] = (None, ())
        self._lock = threading.Lock()

    def check(self, secret: str) -> Token | None:
        """Return the token that a secret is, if it is valid now.

        How long it takes does not tell how near a secret is to a valid one.

        :raises TokensError: if the file cannot be read.
        """
        given = hashlib.sha256(secret[:_LONGEST].encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        for token in self.all():
            if hmac.compare_digest(token.digest, given):
                found = token
        return found if found is not None and found.holds(self.clock()) else None

    def all(self) -> tuple[Token, ...]:
        """Return all tokens, those revoked too, in the order they were made.

        :raises TokensError: if the file cannot be read.
        """
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unreadable(error) from error
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        with self._lock:
            if self._read[0] != stamp:
                self._read = (stamp, self._load())
            return self._read[1]

    def create(self, name: str, permission: Permission, expires: datetime | None = None) -> str:
        """Make a token.

        :param name: what it is called in lists and logs.
        :returns: the secret, which cannot be had again.
        :raises TokensError: if there is one of that name that was not revoked, or the name is none.
        """
        if not _NAME.fullmatch(name):
            raise TokensError(
                f"'{name}' cannot be a token's name.", remedy="Use letters, digits, '_', '.', '@' and '-', at most 64."
            )
        secret = PREFIX + secrets.token_urlsafe(SIZE)
        with self._changing():
            tokens = self.all()
            if any(token.name == name and token.revoked is None for token in tokens):
                raise TokensError(f"There is a token '{name}' already.", remedy="Revoke it, or take another name.")
            digest = hashlib.sha256(secret.encode()).hexdigest()
            kept = [token for token in tokens if token.name != name]
            self._write([*kept, Token(name, permission, digest, self.clock(), expires)])
        return secret

    def revoke(self, name: str) -> Token:
        """Make a token invalid from now on.

        :raises TokensError: if there is none of that name that is valid.
        """
        with self._changing():
            tokens = self.all()
            found = next((token for token in tokens if token.name == name and token.revoked is None), None)
            if found is None:
                known = ", ".join(token.name for token in tokens if token.revoked is None) or "none"
                raise TokensError(f"There is no token '{name}'.", remedy=f"Tokens there are: {known}.")
            revoked = replace(found, revoked=self.clock())
            self._write([revoked if token is found else token for token in tokens])
        return revoked

    def _changing(self) -> FileLock:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self.path.with_suffix(".lock"))

    def _load(self) -> tuple[Token, ...]:
        try:
            return tuple(_from_json(item) for item in json.loads(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._unreadable(error) from error

    def _write(self, tokens: Sequence[Token]) -> None:
        text = json.dumps([asdict(token) for token in tokens], indent=1, default=datetime.isoformat)
        replace_text(self.path, text, mode=0o600)

    def _unreadable(self, error: Exception) -> TokensError:
        return TokensError(
            f"The tokens in {self.path} cannot be read ({type(error).__name__}).",
            remedy="Restore the file, or remove it and create new tokens.",
        )


def _from_json(item: dict[str, str | None]) -> Token:
    times = {name: _time(item[name]) for name in ("expires", "revoked")}
    created = _time(item["created"])
    name, permission, digest = item["name"], item["permission"], item["digest"]
    if created is None or not name or not permission or not digest:
        raise ValueError("a token without name, permission, digest or time")
    return Token(name, Permission(permission), digest, created, **times)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
