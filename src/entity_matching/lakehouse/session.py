"""The Spark session of a target: Sail in this process, a Spark Connect server, or the one Databricks has."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from entity_matching.errors import EntityMatchingError, OptionalDependencyError
from entity_matching.lakehouse.catalog import Lakehouse
from entity_matching.lakehouse.settings import DATABRICKS, LOCAL, LakehouseSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)

_SAFE_PATH = re.compile(r"[A-Za-z0-9_./+-]*")


@contextmanager
def open_lakehouse(settings: LakehouseSettings) -> Iterator[Lakehouse]:
    """Open the lakehouse of a target and close it at the end.

    :raises OptionalDependencyError: if what the target needs is not installed.
    :raises EntityMatchingError: if there is no session to be had.
    """
    with _session(settings) as spark, _readable(settings) as warehouse:
        yield Lakehouse.open(spark, settings, warehouse)


@contextmanager
def _readable(settings: LakehouseSettings) -> Iterator[Path]:
    """Give a path of the warehouse that Sail can write to: it encodes other characters than these twice."""
    if settings.target != LOCAL or _SAFE_PATH.fullmatch(str(settings.warehouse)):
        yield settings.warehouse
        return
    settings.warehouse.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="entity-matching-") as folder:
        link = Path(folder) / "warehouse"
        link.symlink_to(settings.warehouse, target_is_directory=True)
        yield link


@contextmanager
def _session(settings: LakehouseSettings) -> Iterator[SparkSession]:
    if settings.target == LOCAL:
        with _sail(settings) as spark:
            yield spark
    elif settings.target == DATABRICKS:
        yield _databricks()  # it is not ours to stop
    else:
        spark = _connect(settings.target)
        try:
            yield spark
        finally:
            spark.stop()


@contextmanager
def _sail(settings: LakehouseSettings) -> Iterator[SparkSession]:
    # read once, when the first server of the process starts; its log goes to the terminal otherwise
    os.environ.setdefault("RUST_LOG", "off")
    name = json.dumps(settings.catalog, ensure_ascii=False)
    os.environ["SAIL_CATALOG__LIST"] = f'[{{type="memory", name={name}, initial_database=["default"]}}]'
    os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = settings.catalog
    try:
        from pysail.spark import SparkConnectServer  # noqa: PLC0415 - optional, and only for this target
    except ImportError as error:
        raise OptionalDependencyError("pysail", extra="local", needed_for="tables on this machine") from error
    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    try:
        _, port = server.listening_address
        spark = _connect(f"sc://127.0.0.1:{port}")
        try:
            yield spark
        finally:
            spark.stop()
    finally:
        server.stop()


def _connect(url: str) -> SparkSession:
    try:
        from pyspark.sql import SparkSession  # noqa: PLC0415 - optional
    except ImportError as error:
        raise OptionalDependencyError("pyspark-client", extra="local", needed_for="a Spark session") from error
    try:
        spark = SparkSession.builder.remote(url).create()
        spark.conf.set("spark.sql.session.timeZone", "UTC")
    except Exception as error:  # gRPC and Spark raise many kinds
        raise EntityMatchingError(
            f"There is no Spark Connect server at {url}: {error}", remedy="Check the address, and that it runs."
        ) from error
    return spark


def _databricks() -> SparkSession:
    from pyspark.sql import SparkSession  # noqa: PLC0415 - Databricks brings it

    spark = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return spark
