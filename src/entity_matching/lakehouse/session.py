"""The Spark session of a target: Sail in this process, a Spark Connect server, or the one Databricks has."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from entity_matching.errors import EntityMatchingError, OptionalDependencyError
from entity_matching.lakehouse.catalog import Lakehouse
from entity_matching.lakehouse.failures import explained
from entity_matching.lakehouse.settings import DATABRICKS, LOCAL, RUNTIME_VARIABLE, LakehouseSettings
from entity_matching.lakehouse.staging import STALE, Staging
from entity_matching.startup import import_spark_client

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

DEFAULT_PORT = 15_002
"""Port of a Spark Connect server whose address names none."""
PATIENCE = 10.0
"""Seconds a server may take to take a connection."""
PARTING = 2.0
"""Seconds that a session, and the engine of this machine, may take to end; in the midst of a query they wait for it."""
_LINK = "entity-matching-"
_SAFE_PATH = re.compile(r"[A-Za-z0-9_./+-]*")


@contextmanager
def open_lakehouse(settings: LakehouseSettings) -> Iterator[Lakehouse]:
    """Open the lakehouse of a target and close it at the end.

    What Spark and the disk raise within the block comes out as an error of ours.

    :raises OptionalDependencyError: if what the target needs is not installed.
    :raises EntityMatchingError: if there is no session to be had.
    """
    with explained(settings), _session(settings) as spark, _readable(settings) as home:
        local = settings.target == LOCAL
        staging = Staging((home if local else settings.artifacts) / "staging")
        try:
            yield Lakehouse.open(spark, settings, home / settings.warehouse.relative_to(settings.home), staging)
        finally:
            staging.clear()


@contextmanager
def _readable(settings: LakehouseSettings) -> Iterator[Path]:
    """Give a path of the home that Sail can write to: it encodes other characters than these twice."""
    if settings.target != LOCAL or _SAFE_PATH.fullmatch(str(settings.home)):
        yield settings.home
        return
    settings.home.mkdir(parents=True, exist_ok=True)
    places = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    place = next((place for place in places if _SAFE_PATH.fullmatch(place) and os.access(place, os.W_OK)), None)
    _remove_stale(Path(place or tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_LINK}{os.getpid()}-", dir=place) as folder:
        link = Path(folder) / "home"
        link.symlink_to(settings.home, target_is_directory=True)
        yield link


def _remove_stale(place: Path) -> None:
    """Remove links that processes which were killed left behind."""
    for folder in place.glob(f"{_LINK}*-*"):
        with suppress(OSError, ValueError):  # another user's, or one that another process removes just now
            if time.time() - folder.lstat().st_mtime > STALE and not _lives(int(folder.name.split("-")[2])):
                (folder / "home").unlink()
                folder.rmdir()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _session(settings: LakehouseSettings) -> Iterator[SparkSession]:
    if settings.target == DATABRICKS:
        yield _databricks()  # it is not ours to stop
        return
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read when gRPC starts; it writes to the terminal
    if settings.target == LOCAL:
        with _sail(settings) as url, _connected(url) as spark:
            yield spark
    else:
        _check_reachable(settings.target)
        with _connected(settings.target) as spark:
            yield spark


@contextmanager
def _sail(settings: LakehouseSettings) -> Iterator[str]:
    """Run Sail in this process and give its address."""
    try:
        from pysail.spark import SparkConnectServer  # noqa: PLC0415 - optional, and only for this target
    except ImportError as error:
        raise OptionalDependencyError("pysail", extra="local", needed_for="tables on this machine") from error
    os.environ.setdefault("RUST_LOG", "off")  # read when the first server of the process starts
    name = _toml(settings.catalog)
    catalogs = f'[{{type="memory", name={name}, initial_database=["default"]}}]'
    try:
        with _environment({"SAIL_CATALOG__LIST": catalogs, "SAIL_CATALOG__DEFAULT_CATALOG": name}):
            server = SparkConnectServer(ip="127.0.0.1", port=0)
            server.start(background=True)
    except RuntimeError as error:
        raise EntityMatchingError(
            f"The Spark engine of this machine (Sail) does not start: {error}",
            remedy="See that no variable of the environment that begins with SAIL_ is wrong.",
        ) from error
    try:
        address = server.listening_address
        if address is None:
            raise EntityMatchingError("The Spark engine of this machine (Sail) stopped as soon as it had started.")
        yield f"sc://127.0.0.1:{address[1]}"
    finally:
        _end(server.stop)


def _toml(text: str) -> str:
    """Return a text as Sail reads it in its settings; ASCII, since it miscounts other characters beside escapes."""
    plain = (char if " " <= char <= "~" and char not in '"\\' else f"\\U{ord(char):08X}" for char in text)
    return f'"{"".join(plain)}"'


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment while the block runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_left: list[Callable[[], object]] = []


def is_left_behind() -> bool:
    """Say whether Spark did not end when it should, since a query of this process still goes on.

    Such a process ends at once by ``os._exit`` only: else Python waits for the query.
    """
    return bool(_left)


def _end(stop: Callable[[], object]) -> None:
    if sys.is_finalizing():  # then a thread does not start any more
        stop()
        return
    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    stopping.join(PARTING)
    if stopping.is_alive():
        log.debug("a query still goes on")
        _left.append(stop)


@contextmanager
def _connected(url: str) -> Iterator[SparkSession]:
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - optional

        import_spark_client()
    except ImportError as error:
        raise OptionalDependencyError("pyspark-client", extra="local", needed_for="a Spark session") from error
    _keep_quiet()
    spark = SparkSession.builder.remote(url).create()
    try:
        spark.conf.set("spark.sql.session.timeZone", "UTC")
        yield spark
    finally:
        _end(spark.stop)  # else the client looks for its server for minutes when the process ends


def _keep_quiet() -> None:
    """Keep Spark's client from writing each error to the terminal too, as JSON with the server's stack."""
    from pyspark.logger import PySparkLogger  # noqa: PLC0415 - optional

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)


def _check_reachable(url: str) -> None:
    """Find out at once whether a server listens; Spark's client tries for ten minutes.

    :raises EntityMatchingError: if none does.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or DEFAULT_PORT
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except (OSError, ValueError) as error:  # the rest of the address may hold a token: it is not shown
        raise EntityMatchingError(
            f"There is no Spark Connect server at sc://{parts.netloc}: {error}.",
            remedy="Check the address, and that the server runs.",
        ) from error


def _databricks() -> SparkSession:
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - Databricks brings it
    except ImportError as error:
        raise OptionalDependencyError("pyspark-client", extra="local", needed_for="a Spark session") from error
    spark = SparkSession.getActiveSession()
    if spark is None and RUNTIME_VARIABLE not in os.environ:
        raise EntityMatchingError(
            "The target 'databricks' is the Spark session that Databricks provides; there is none here.",
            remedy="Run it as a job on Databricks, or leave the target out.",
        )
    spark = spark or SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return spark
