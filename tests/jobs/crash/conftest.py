"""A driver, which does jobs in processes that can be killed, and what a night that was not killed leaves behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.jobs.conftest import Nights


@dataclass(frozen=True)
class Driver:
    """Does jobs in processes of their own; one at a time."""

    process: subprocess.Popen[str]
    output: Path

    def start(self, job: str, argv: list[str], at: str = "", number: int = 1, what: str = "die", **how: Any) -> int:
        """Begin a job that does ``what`` to itself before the write ``at``, for the n-th time; return its process."""
        assert self.process.stdin is not None
        order = {"job": job, "argv": argv, "at": at, "time": number, "what": what, "output": str(self.output), **how}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._read()

    def end(self) -> int:
        """Wait for the job to end, and return its exit code, or the signal it died of, negative."""
        return self._read()

    def kill(self, *given: Any, **how: Any) -> None:
        """Do a job that is killed."""
        self.start(*given, **how)
        code = self.end()
        assert code in (-signal.SIGKILL, -signal.SIGXFSZ), f"{code}: {self.output.read_text()}"

    def writes(self, *given: Any) -> list[str]:
        """Do a job, and return its writes."""
        self.start(*given)
        assert self.end() == 0, self.output.read_text()
        writes: list[str] = json.loads(self.output.read_text().splitlines()[-1])["writes"]
        return writes

    def _read(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    output = tmp_path_factory.mktemp("driver") / "output"
    command = [sys.executable, str(Path(__file__).with_name("driver.py"))]
    pipes: dict[str, IO[str] | int] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        yield Driver(process, output)
        process.kill()


@dataclass(frozen=True)
class Undisturbed:
    """The writes of the second night when nothing kills it, and what it leaves behind."""

    writes: list[str]
    results: dict[str, Any]


@pytest.fixture(scope="session")
def undisturbed(driver: Driver, nights: Nights, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    home = nights.copy(tmp_path_factory.mktemp("twin") / "home")
    return Undisturbed(driver.writes("run-pipeline", nights.day(home)), nights.results(home))
