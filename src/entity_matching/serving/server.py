"""An endpoint, run in the foreground until it is told to stop."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from entity_matching.errors import EntityMatchingError, OptionalDependencyError, SettingsError
from entity_matching.jobs import models
from entity_matching.serving.logs import configure
from entity_matching.serving.settings import BACKLOG, ServingSettings
from entity_matching.storage import replace_text

log = logging.getLogger("entity_matching.serving.server")  # also where it is run as the main module

_NEEDED = ("fastapi", "mlflow", "prometheus_client", "uvicorn")
"""Packages that an endpoint needs."""


@dataclass(frozen=True)
class Running:
    """An endpoint that runs on this machine.

    ``pid``: of the process that is to be told to stop. ``since``: seconds since 1970. ``ready``: whether it answers.
    """

    name: str
    pid: int
    host: str
    port: int
    workers: int
    since: float
    ready: bool = False
    log: str | None = None

    @property
    def url(self) -> str:
        """Its address, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @classmethod
    def find(cls, settings: ServingSettings) -> Self | None:
        """Return the endpoint of this name that runs; ``None`` if none does."""
        try:
            found = cls(**json.loads(_state(settings).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if _is_locked(settings) else None


def serve(settings: ServingSettings, on_ready: Callable[[Running], None] = lambda _: None) -> None:
    """Run an endpoint until SIGTERM or SIGINT; what it then has, it finishes.

    :param on_ready: called when it answers.
    :raises OptionalDependencyError: if a package is not installed that it needs.
    :raises EntityMatchingError: if there is no model, the port is taken, or the endpoint runs already.
    """
    for package in _NEEDED:
        if find_spec(package) is None:
            raise OptionalDependencyError(package, extra="serve", needed_for="The endpoint")
    from entity_matching.serving.supervisor import Supervisor  # noqa: PLC0415 - it needs those packages

    models.model_folder(settings.lakehouse, settings.model)  # says at once if there is none
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(_lock(settings))
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise EntityMatchingError(
            f"The endpoint '{settings.name}' runs already.", remedy="Stop it first: entity-matching endpoint stop"
        ) from error
    state = _state(settings)
    try:
        own = listener(settings)
        log_file = None if settings.log is None else str(settings.log)
        found = Running(
            settings.name,
            os.getpid(),
            settings.host,
            own.getsockname()[1],
            settings.workers,
            time.time(),
            log=log_file,
        )

        def ready() -> None:
            answering = Running(**{**asdict(found), "ready": True})
            replace_text(state, json.dumps(asdict(answering)) + "\n")
            on_ready(answering)

        replace_text(state, json.dumps(asdict(found)) + "\n")
        with tempfile.TemporaryDirectory(prefix="entity-matching-counts-") as counts:
            Supervisor(settings, own, Path(counts), ready).run()
    finally:
        state.unlink(missing_ok=True)
        lock.release()


def main() -> int:
    """Run the endpoint that the environment describes: what ``python -m entity_matching.serving.server`` does."""
    try:
        settings = ServingSettings.from_environment(os.environ)
        configure(settings.log)
        serve(settings)
    except EntityMatchingError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    return 0


def listener(settings: ServingSettings) -> socket.socket:
    """Return a socket that listens.

    :raises SettingsError: if it cannot.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"the endpoint cannot listen at {settings.host}, port {settings.port}: {error.strerror or error}.",
            remedy="Give another --port or --host, or stop what listens there.",
        ) from error


def _state(settings: ServingSettings) -> Path:
    return settings.folder / f"{settings.name}.json"


def _lock(settings: ServingSettings) -> Path:
    return settings.folder / f"{settings.name}.lock"


def _is_locked(settings: ServingSettings) -> bool:
    lock = FileLock(_lock(settings))
    with suppress(Timeout, OSError):
        with lock.acquire(blocking=False):
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
