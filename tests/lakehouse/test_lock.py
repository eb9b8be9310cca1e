from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.lakehouse.lock import exclusive_run, is_going_on

HOLD = """
import sys, time
from pathlib import Path
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.lakehouse.lock import exclusive_run
with exclusive_run(LakehouseSettings(catalog=sys.argv[1], home=Path(sys.argv[2]))):
    print("held", flush=True)
    time.sleep(float(sys.argv[3]))
"""


@contextmanager
def held(settings: LakehouseSettings, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """Let another process hold the lock."""
    command = [sys.executable, "-c", HOLD, settings.catalog, str(settings.home), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def settings(tmp_path: Path) -> LakehouseSettings:
    return LakehouseSettings(catalog="dürr's`x", home=tmp_path / "a home")


def test_a_second_run_is_refused_and_told_who_runs(settings: LakehouseSettings) -> None:
    with held(settings) as process:
        with pytest.raises(EntityMatchingError) as caught, exclusive_run(settings):
            pass
    told = str(caught.value)
    assert f"(process {process.pid}, since 20" in told
    assert "--wait SECONDS" in told


def test_the_lock_is_free_as_soon_as_its_process_is_killed(settings: LakehouseSettings) -> None:
    with held(settings) as process:
        process.kill()
        process.wait()
        with exclusive_run(settings):
            pass


def test_a_run_can_wait_for_another_to_end(settings: LakehouseSettings) -> None:
    with held(settings, 0.5):
        start = time.monotonic()
        with exclusive_run(settings, wait=30):
            assert time.monotonic() - start < 25


def test_waiting_ends(settings: LakehouseSettings) -> None:
    with held(settings):
        with pytest.raises(EntityMatchingError, match=re.escape("It was waited for 0.2 s.")):
            with exclusive_run(settings, wait=0.2):
                pass


def test_a_run_is_not_refused_because_somebody_looked_whether_one_goes_on(settings: LakehouseSettings) -> None:
    with exclusive_run(settings):
        pass
    looking = FileLock(next(settings.locks.glob("*.lock")), thread_local=False)
    looking.acquire()
    threading.Timer(0.05, looking.release).start()
    with exclusive_run(settings):
        assert is_going_on(settings)
    assert not is_going_on(settings)


def test_a_run_after_another_and_a_run_on_another_catalog_are_free(tmp_path: Path) -> None:
    one, two = (LakehouseSettings(catalog=name, home=tmp_path) for name in ("one", "two"))
    with exclusive_run(one), exclusive_run(two):
        with pytest.raises(EntityMatchingError), exclusive_run(one):
            pass
    with exclusive_run(one):
        pass


def test_the_lock_is_given_back_after_an_error(settings: LakehouseSettings) -> None:
    with pytest.raises(KeyError), exclusive_run(settings):
        raise KeyError("x")
    with exclusive_run(settings):
        pass
    assert not list(settings.locks.glob("*.json"))


def test_on_databricks_nothing_is_written(tmp_path: Path) -> None:
    settings = LakehouseSettings(target="databricks", home=tmp_path / "home")
    with exclusive_run(settings), exclusive_run(settings):
        assert not settings.home.exists()
