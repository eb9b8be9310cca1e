from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.errors import PySparkException

from entity_matching.errors import EntityMatchingError, SettingsError
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.failures import explain, explained
from entity_matching.lakehouse.lock import exclusive_run

SETTINGS = LakehouseSettings(catalog="shop", home=Path("/data/em"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Generic LocalFileSystem error: No space left on device (os error 28)", "/data/em cannot take more: No space"),
        ("Unable to create dir /x: Read-only file system (os error 30)", "/data/em cannot be used: Read-only"),
        (
            "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint share (c >= 0) violated by row with values: c: -1",
            "the rule 'share' of its table: c >= 0",
        ),
        (
            "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: decision.\n",
            "no value in the column 'decision'",
        ),
        ("Cannot perform Merge: DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE", "have the same key"),
        ("Failed to commit transaction: 0", "at the same time. Nothing of this write was kept"),
        ("[DELTA_CONCURRENT_APPEND] ConcurrentAppendException", "at the same time"),
        (
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `gold`.`x` cannot be found.",
            "'shop' has no table or view `gold`.`x`",
        ),
        ("Table not found: [TABLE_OR_VIEW_NOT_FOUND] Table or view not found: x", "'shop' has no table or view x."),
        ("No version of the Delta table exists at or before timestamp 2020-01-01", "no version of that time"),
        ("[CATALOG_NOT_FOUND] The catalog `shop` not found.", "knows no catalog 'shop'"),
        (
            "[REQUIRES_SINGLE_PART_NAMESPACE] spark_catalog requires a single-part namespace, but got identifier"
            " `shop`.`gold`. SQLSTATE: 42K05",
            "knows no catalog 'shop'",
        ),
        (
            "An exception was thrown from the Python worker: Traceback (most recent call last):\n  File ...\n"
            "entity_matching.errors.ArtifactError: x.npy is not there. Build the index again.\n SQLSTATE: 38000",
            "x.npy is not there. Build the index again.",
        ),
        ("[RETRIES_EXCEEDED] The maximum number of retries has been exceeded.", "server went away"),
        ("cannot resolve attribute nonsense", "Spark could not do it: cannot resolve attribute nonsense"),
    ],
)
def test_what_spark_says_is_told_in_words(text: str, told: str) -> None:
    error = explain(PySparkException(text), SETTINGS)
    assert error is not None
    assert told in str(error)


def test_neither_the_servers_nor_the_workers_stack_is_passed_on() -> None:
    told = explain(
        PySparkException("[DIVIDE_BY_ZERO] Division by zero.\n\nJVM stacktrace:\norg.apache\n\tat x"), SETTINGS
    )
    assert str(told) == "Spark could not do it: [DIVIDE_BY_ZERO] Division by zero."


def test_a_very_long_error_is_shortened_in_its_middle() -> None:
    error = explain(PySparkException("begin " + "x" * 9_000 + " end"), SETTINGS)
    assert error is not None
    assert len(str(error)) < 1_000
    assert "begin" in str(error)
    assert str(error).endswith("end")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_cannot_be_written_to_is_named_with_the_remedy(number: int) -> None:
    with (
        pytest.raises(EntityMatchingError, match=r"/data/em/f cannot .*--home or ENTITY_MATCHING_HOME"),
        explained(SETTINGS),
    ):
        raise OSError(number, "in short", "/data/em/f")


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(KeyError), explained(SETTINGS):
        raise KeyError("x")
    with pytest.raises(SettingsError), explained(SETTINGS):
        raise SettingsError("x")
    with pytest.raises(FileNotFoundError), explained(SETTINGS):
        Path("/nowhere/at/all").read_text(encoding="utf-8")


def test_a_file_in_the_place_of_the_home_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("", encoding="utf-8")
    settings = LakehouseSettings(home=home)
    with pytest.raises(EntityMatchingError, match=r"home.* cannot be used: .*--home"), exclusive_run(settings):
        pass


@pytest.mark.spark
@pytest.mark.parametrize("name", ["home", "a home"])
def test_a_home_that_cannot_be_written_to_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("", encoding="utf-8")
    settings = LakehouseSettings(home=tmp_path / name)
    with (
        pytest.raises(EntityMatchingError, match=rf"{name}.* cannot be used: .*--home"),
        open_lakehouse(settings) as lake,
    ):
        lake.create()


FULL = """
import resource, sys
from pathlib import Path
from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
with open_lakehouse(LakehouseSettings(home=Path(sys.argv[1]))) as lake:
    lake.create()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    try:
        lake.execute(
            "INSERT INTO gold.pipeline_metrics"
            " SELECT uuid(), 's', 'm', CAST(id AS STRING), 1.0, now() FROM range(5000)"
        )
    except EntityMatchingError as error:
        sys.stdout.write(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert lake.sql("SELECT * FROM gold.pipeline_metrics").count() == 0
"""


@pytest.mark.spark
@pytest.mark.skipif(sys.platform == "win32", reason="file sizes are limited on POSIX systems only")
def test_a_disk_that_takes_no_more_is_told_and_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path} cannot take more" in done.stdout
    assert "ENTITY_MATCHING_HOME" in done.stdout
