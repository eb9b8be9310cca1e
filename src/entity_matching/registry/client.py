"""MLflow's client, opened quietly: nothing on the terminal, nothing sent home, its global settings put back."""

from __future__ import annotations

import logging
import os
import re
import socket
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from entity_matching.errors import EntityMatchingError, OptionalDependencyError
from entity_matching.registry.location import RegistryLocation, address_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that another process may hold a local registry."""
LONGEST = 400
"""Characters of an error of MLflow's that are passed on."""
_QUIET = ("mlflow", "alembic")
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_RETRIES = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DATABRICKS_ENDPOINT_HTTP_RETRY_TIMEOUT": "60",
}
"""MLflow would try for minutes; whoever wants that sets these variables."""
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_URIS = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


@contextmanager
def open_client(location: RegistryLocation) -> Iterator[MlflowClient]:
    """Open MLflow at a location; within the block its global functions work there, too.

    What MLflow raises within the block comes out as an error of ours.

    :raises OptionalDependencyError: if MLflow is not installed.
    :raises EntityMatchingError: if the registry cannot be used.
    """
    with ExitStack() as stack:
        stack.enter_context(_environment({**_RETRIES, **{n: os.environ[n] for n in _RETRIES if n in os.environ}}))
        stack.enter_context(_environment(_ENVIRONMENT))
        stack.enter_context(_quiet())
        try:
            import mlflow  # noqa: PLC0415 - optional, and takes seconds
            from mlflow.exceptions import MlflowException  # noqa: PLC0415
        except ImportError as error:
            raise OptionalDependencyError("mlflow", extra="local", needed_for="the registry of models") from error
        _check_database(location)
        _check_host(location)
        try:
            stack.enter_context(_uris(location))
            _make_folder(location, stack)
            yield mlflow.MlflowClient(location.tracking_uri, location.registry_uri)
        except MlflowException as error:
            raise _explained(str(error), getattr(error, "error_code", ""), location) from error
        except OSError as error:
            if not _of_network(error):
                raise
            raise _unreachable(location, str(error)) from error


def _make_folder(location: RegistryLocation, stack: ExitStack) -> None:
    """Make the folder of a local registry; and have the one removed that MLflow makes by its encoded name."""
    if location.database is None:
        return
    location.database.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(address_of(location.database)).parent
    if folder != location.database.parent:
        for path in (folder.parent, folder):
            stack.callback(_remove_empty, path)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def _uris(location: RegistryLocation) -> Iterator[None]:
    """Have MLflow's global functions work at a location while the block runs."""
    import mlflow  # noqa: PLC0415
    from mlflow.tracking._model_registry import utils as registry  # noqa: PLC0415 - only it can say "not set"
    from mlflow.tracking._tracking_service import utils as tracking  # noqa: PLC0415

    before = tracking._tracking_uri, registry._registry_uri
    with _environment({name: os.environ.get(name) for name in _URIS}):
        mlflow.set_tracking_uri(location.tracking_uri)
        mlflow.set_registry_uri(location.registry_uri)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before[0])  # type: ignore[arg-type]
            mlflow.set_registry_uri(before[1])  # type: ignore[arg-type]


@contextmanager
def _environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables of the environment while the block runs, and put back what was there."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: value for name, value in values.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep notes of MLflow and its database off the terminal, unless all of them were asked for."""
    wanted = logging.ERROR if not log.isEnabledFor(logging.DEBUG) else logging.DEBUG
    loggers = [logging.getLogger(name) for name in _QUIET]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import mlflow  # noqa: F401, PLC0415 - it sets the level of its logger when it is imported
        except ImportError:
            pass
        for logger in loggers:
            logger.setLevel(wanted)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _check_database(location: RegistryLocation) -> None:
    """Find out at once whether a local registry can be used; MLflow tries for minutes.

    :raises EntityMatchingError: if it is locked, damaged or cannot be written to.
    """
    if location.database is None or not location.database.is_file():
        return
    address = f"file:{quote(str(location.database))}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise _explained(str(error), "", location) from error


def _check_host(location: RegistryLocation) -> None:
    """Find out at once whether the workspace that the environment names listens; its client tries for five minutes.

    :raises EntityMatchingError: if it does not.
    """
    host = os.environ.get("DATABRICKS_HOST", "")
    if location.database is not None or not host or any(name in os.environ for name in _PROXIES):
        return
    parts = urlsplit(host if "://" in host else f"https://{host}")
    try:
        port = parts.port or (80 if parts.scheme == "http" else 443)
        socket.create_connection((parts.hostname or "", port), timeout=PATIENCE).close()
    except (OSError, ValueError) as error:
        raise _unreachable(location, f"{parts.hostname}: {error}") from error


def _explained(text: str, code: str, location: RegistryLocation) -> EntityMatchingError:
    """Return what an error of MLflow's or of its database means for a user."""
    where = location.database or "Databricks"
    if location.database is None and re.search(r"API request to|Max retries|Connection|timed out", text):
        return _unreachable(location, text)
    known = (
        ("database is locked", f"The registry {where} is in use by another process.", "Wait for it, then try again."),
        (
            "not a database|malformed",
            f"The registry {where} is damaged: it is no SQLite database.",
            "Restore it from a copy. Or move it away and train again: models in the cache can be used meanwhile, with"
            " --model VERSION.",
        ),
        (
            "out-of-date database schema|Can't locate revision",
            f"The registry {where} was written by another version of MLflow.",
            f"Install that version, or bring the registry forward: mlflow db upgrade {location.tracking_uri}",
        ),
        (
            "readonly database|unable to open database",
            f"The registry {where} cannot be written to.",
            "Give yourself the right to write there, or name another folder with --home.",
        ),
    )
    for pattern, message, remedy in known:
        if re.search(pattern, text):
            return EntityMatchingError(message, remedy=remedy)
    if code in ("PERMISSION_DENIED", "UNAUTHENTICATED", "403", "401"):
        return EntityMatchingError(
            f"The registry of {where} does not let you do this: {_short(text)}",
            remedy=f"Ask for rights on the model {location.model} and its schema.",
        )
    return EntityMatchingError(f"The registry {where} could not do it: {_short(text)}")


def _unreachable(location: RegistryLocation, text: str) -> EntityMatchingError:
    return EntityMatchingError(
        f"The registry ({location.registry_uri}) cannot be reached: {_short(text)}",
        remedy="See that the workspace can be reached and its token is right. A run can go on without the registry "
        "with a version that is in the cache: --model VERSION.",
    )


def _of_network(error: OSError) -> bool:
    return type(error).__module__.partition(".")[0] in ("requests", "urllib3") or isinstance(error, ConnectionError)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} [...]"
