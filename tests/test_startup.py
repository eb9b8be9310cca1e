from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

ASK = """
import json, sys
{before}
from entity_matching.startup import begin_process, import_lightgbm
{ours}
lightgbm = import_lightgbm()
imported = "sklearn" in sys.modules
import sklearn.base
from lightgbm.compat import SKLEARN_INSTALLED
print(json.dumps([imported, SKLEARN_INSTALLED, hasattr(lightgbm, "train")]))
"""


def asked(ours: str, before: str = "") -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(ours=ours, before=before)], capture_output=True, text=True, check=True
    )
    return list(json.loads(done.stdout))


def test_lightgbm_comes_whole_to_the_processes_of_others() -> None:
    assert asked("") == [True, True, True]


def test_in_a_process_of_ours_it_comes_alone_and_the_others_can_still_be_imported() -> None:
    assert asked("begin_process()") == [False, False, True]


def test_what_was_imported_before_stays() -> None:
    assert asked("begin_process()", before="import sklearn.base") == [True, True, True]


SPARK = """
from entity_matching.startup import import_spark_client
import_spark_client()
import __main__
from pyspark.sql import SparkSession
print(hasattr(__main__, "__file__"), SparkSession.getActiveSession())
"""


def test_sparks_client_does_not_end_a_program_without_a_file() -> None:
    pytest.importorskip("pyspark")
    command = [sys.executable, "-c", SPARK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "False None\n"), done.stderr
