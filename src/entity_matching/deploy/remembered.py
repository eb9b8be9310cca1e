"""What is remembered of the deployments to a target: the phase, and what an earlier phase dropped but kept alive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from entity_matching.deploy.whole_file import write_whole
from entity_matching.errors import EntityMatchingError, InputError

FOLDER = "deployments"
_LOOK = 0.2


@dataclass(frozen=True)
class Kept:
    """A job or endpoint that still exists, but is no part of the deployment for now.

    ``key``: ``jobs.KEY`` or ``model_serving_endpoints.KEY``. ``id``: of the job, or the endpoint's name. ``name``: for
    people. ``pause_status``: of its schedule before it was paused; ``None`` if it has none. ``since``: UTC, ISO 8601.
    """

    key: str
    id: str
    name: str
    pause_status: str | None = None
    since: str = ""


@dataclass(frozen=True)
class Remembered:
    """What is remembered of one target.

    ``phase``: that was deployed last, ``None`` if none is. ``unfinished``: the phase whose deployment has begun and did
    not end well. ``model_version``: that the endpoint serves. ``variables``: that were given and hold for the next
    deployment, too. ``kept``: by their keys.
    """

    path: Path
    phase: int | None = None
    deployed_at: str | None = None
    model_version: str | None = None
    unfinished: int | None = None
    variables: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)

    @classmethod
    def load(cls, home: Path, target: str) -> Self:
        """Read what is remembered of a target; nothing, if it was never deployed to from this home.

        :raises InputError: if the file is damaged.
        """
        path = home / FOLDER / f"{target}.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            kept = {key: Kept(**value) for key, value in data.pop("kept", {}).items()}
            return cls(path, **data, kept=kept)
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"cannot be read ({error}).",
                file=str(path),
                remedy="Restore it from a copy, or remove it: what it names as kept must then be bound again by hand.",
            ) from error

    def changed(self, **values: Any) -> Self:
        """Return it with other values, which are on disk by then."""
        new = replace(self, **values)
        data = asdict(new)
        del data["path"]
        write_whole(self.path, json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        return new

    def keeping(self, thing: Kept) -> Self:
        """Return it with one more thing that is kept; of one that is kept already, what was first written stays."""
        known = self.kept.get(thing.key)
        return (
            self if known is not None and known.id == thing.id else self.changed(kept={**self.kept, thing.key: thing})
        )

    def without(self, *keys: str) -> Self:
        """Return it without some of what was kept."""
        return self.changed(kept={key: thing for key, thing in self.kept.items() if key not in keys})

    def ended(self) -> None:
        """Forget the deployment, which is no more, but for its variables: they say which catalog it has left."""
        self.path.unlink(missing_ok=True)
        if self.variables:
            type(self)(self.path).changed(variables=self.variables)

    def forgotten(self) -> None:
        """Remove it from the disk."""
        self.path.unlink(missing_ok=True)


@contextmanager
def exclusive(home: Path, target: str) -> Iterator[None]:
    """Keep other deployments to a target away, from whatever folder with this home, while the block runs.

    :raises EntityMatchingError: if another is going on.
    """
    path = home / FOLDER / f".{target}.lock"
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_LOOK)
    except Timeout as error:
        raise EntityMatchingError(
            f"Another deployment to {target} is going on, with the home {home}.", remedy="Wait until it has ended."
        ) from error
    except OSError as error:
        raise EntityMatchingError(
            f"The home {home} cannot be written to ({error.strerror or error}).", remedy="Name another with --home."
        ) from error
    try:
        yield
    finally:
        lock.release()


def now() -> str:
    """Return the time, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
