"""Apache Spark's own Connect server, and a lakehouse on it.

The server is that of PyPI's ``pyspark``, which ``make spark-server`` puts into an environment of its own: it and
``pyspark-client`` are both the package ``pyspark``. Its workers run the Python of these tests.

Delta Lake is not on PyPI as a whole. So tables are Parquet here, and of Delta's statements Spark checks syntax, names
and types, which it does before it finds that Parquet tables cannot be changed; then a query makes the table anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.names import literal

ROOT = Path(__file__).parents[2]
CATALOG = "spark_catalog"
"""The only catalog that a Spark server has by itself."""
LEAST_JAVA = 17
PATIENCE = 240
"""Seconds that the server may take to start; a few on an idle machine."""
OPTIONS = {
    # tables have a few rows: to compile each query costs more than to interpret it
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.connect.grpc.binding.port": "0",
    # a table is written between two looks at one frame
    "spark.connect.session.planCache.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    # it lives for a minute, of which loading and compiling its own code is the most
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xms512m"
    " -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote",
    "spark.driver.memory": "1g",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.default.parallelism": "1",
    "spark.sql.leafNodeDefaultParallelism": "1",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.ui.explainMode": "simple",
    "spark.ui.enabled": "false",
}
STARTED = re.compile(r"Spark Connect server started at: .*:(\d+)")
# ends with the tests even if they are killed: then its standard input is closed
GUARD = """import subprocess, sys, threading
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=lambda: (sys.stdin.read(), process.terminate()), daemon=True).start()
sys.exit(process.wait())"""


def missing() -> str:
    """Return why there can be no server; empty if there can."""
    java = str(Path(os.environ["JAVA_HOME"]) / "bin" / "java") if "JAVA_HOME" in os.environ else shutil.which("java")
    if java is None:
        return "Apache Spark's server needs Java"
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError) as error:
        return f"Java does not run: {error}"
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version.group(1)) < LEAST_JAVA:
        return f"Apache Spark's server needs Java {LEAST_JAVA} or later; there is {told.splitlines()[0]}"
    return "" if spark_home() else "Apache Spark's server is not installed in .venv-spark; 'make spark-server' does it"


def spark_home() -> Path | None:
    """Return where the server is; ``None`` if it was not installed to the end."""
    if not (ROOT / ".venv-spark" / ".installed").is_file():
        return None
    return next((ROOT / ".venv-spark" / "lib").glob("python*/site-packages/pyspark"), None)


@pytest.fixture(scope="session")
def spark_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the server and return its address."""
    why = missing()
    if why:
        pytest.skip(why)
    home = spark_home()
    folder = tmp_path_factory.mktemp("spark-server")
    log = folder / "server.log"
    options = {**OPTIONS, "spark.sql.warehouse.dir": str(folder / "warehouse"), "spark.local.dir": str(folder)}
    command = [
        f"{home}/bin/spark-submit", "--master", "local[2]",
        "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
        *(part for name, value in options.items() for part in ("--conf", f"{name}={value}")),
        "spark-internal",
    ]  # fmt: skip
    environment = {
        **os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    with log.open("w", encoding="utf-8") as out, subprocess.Popen(
        [sys.executable, "-c", GUARD, *command], stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=folder,
        env=environment,
    ) as process:  # fmt: skip
        try:
            yield f"sc://127.0.0.1:{_port(log, process)}"
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        found = STARTED.search(log.read_text(encoding="utf-8"))
        if found:
            return int(found.group(1))
        time.sleep(0.2)
    tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:])
    raise RuntimeError(f"Apache Spark's server did not start within {PATIENCE} s; the end of {log}:\n{tail}")


@pytest.fixture(scope="session")
def lake(spark_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """Return the lakehouse on the server; there is one, since there is one catalog."""
    home = tmp_path_factory.mktemp("home")
    with open_lakehouse(LakehouseSettings(catalog=CATALOG, target=spark_server, home=home)) as opened:
        spark: Any = opened.spark
        spark.sql = WithoutDelta(spark, spark.sql).run
        yield opened


@dataclass(frozen=True)
class WithoutDelta:
    """Runs statements on a server that has no Delta Lake. ``sql``: what runs a statement as it stands."""

    spark: Any
    sql: Any

    def run(self, statement: str) -> Any:
        """Run a statement; where it is one of Delta's own, Spark checks it and its effect is brought about otherwise.

        :raises Exception: if it is not valid.
        """
        from pyspark.errors import PySparkException  # noqa: PLC0415 - optional

        try:
            return self.sql(statement.replace(" USING DELTA", " USING PARQUET"))
        except PySparkException as error:
            if not _is_delta_alone(error):
                raise
        if found := CHECK.fullmatch(statement):
            table, name, condition = found.groups()
            prop = literal(f"delta.constraints.{name.strip('`')}")
            return self.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ({prop} = {literal(condition)})")
        table, query = _as_query(statement, self.spark)
        # computed before its own source is written over
        self.sql(query).localCheckpoint().write.insertInto(table, overwrite=True)
        return self.sql("SELECT 1")


def _is_delta_alone(error: Any) -> bool:
    """Say whether a statement is well formed and fails since a Parquet table is what it is about."""
    # Spark gives the second no name of its own; it knows REPLACE WHERE
    return error.getCondition() == "UNSUPPORTED_FEATURE.TABLE_OPERATION" or "Cannot write into v1 table" in str(error)


CHECK = re.compile(r"ALTER TABLE (\S+) ADD CONSTRAINT (\S+) CHECK \((.*)\)", re.DOTALL)
DELETE = re.compile(r"DELETE FROM (\S+) WHERE (.*)", re.DOTALL)
REPLACE = re.compile(r"INSERT INTO (\S+) REPLACE WHERE (.*?) (SELECT .*)", re.DOTALL)
MERGE = re.compile(r"MERGE INTO (\S+) t USING (\(.*?\)) s ON (.*?) (?=WHEN )(.*)", re.DOTALL)
CLAUSE = re.compile(
    r"WHEN (MATCHED|NOT MATCHED BY SOURCE|NOT MATCHED)(?: AND (.*?))? THEN "
    r"(DELETE|UPDATE SET (.*?)|INSERT \((.*?)\) VALUES \((.*?)\))(?= WHEN (?:NOT )?MATCHED|$)",
    re.DOTALL,
)
SIDES = {
    "MATCHED": "t.__there AND s.__given",
    "NOT MATCHED": "t.__there IS NULL",
    "NOT MATCHED BY SOURCE": "s.__given IS NULL",
}


def _as_query(statement: str, spark: Any) -> tuple[str, str]:
    """Return the table that a statement of Delta changes, and a query for what it holds then."""
    if found := DELETE.fullmatch(statement):
        table, condition = found.groups()
        return table, f"SELECT * FROM {table} WHERE NOT coalesce({condition}, false)"
    if found := REPLACE.fullmatch(statement):
        table, condition, rows = found.groups()
        return table, f"SELECT * FROM {table} WHERE NOT coalesce({condition}, false) UNION ALL {rows}"
    found = MERGE.fullmatch(statement)
    assert found, f"no such statement of Delta is known here: {statement}"
    table, source, on, clauses = found.groups()
    return table, _merged(table, source, on, list(CLAUSE.finditer(clauses)), spark.table(table).columns)


def _merged(table: str, source: str, on: str, clauses: list[re.Match[str]], columns: list[str]) -> str:
    """Return a query for what a table holds after a MERGE: the first clause that fits a row decides."""
    cases, values = [], {name: [f"ELSE t.`{name}`"] for name in columns}
    for number, clause in enumerate(clauses):
        side, condition, action, updates, names, inserted = clause.groups()
        cases.append(f"WHEN {SIDES[side]} AND ({condition or 'true'}) THEN {-1 if action == 'DELETE' else number}")
        given = updates.split(", ") if updates else []
        given += [f"{name} = {value}" for name, value in zip(*_lists(names, inserted), strict=True)] if names else []
        for name, value in (assignment.split(" = ") for assignment in given):
            values[name.strip("`")].insert(-1, f"WHEN __action = {number} THEN {value}")
    action = f"CASE {' '.join(cases)} WHEN t.__there THEN {len(clauses)} ELSE -1 END"
    chosen = ", ".join(f"CASE {' '.join(parts)} END AS `{name}`" if len(parts) > 1 else f"t.`{name}`"
                       for name, parts in values.items())  # fmt: skip
    chosen = chosen.replace("__action", f"({action})")
    return (
        f"SELECT {chosen} FROM (SELECT *, true AS __there FROM {table}) t"
        f" FULL OUTER JOIN (SELECT *, true AS __given FROM {source}) s ON {on} WHERE ({action}) >= 0"
    )


def _lists(names: str, values: str) -> tuple[list[str], list[str]]:
    return names.split(", "), values.split(", ")
