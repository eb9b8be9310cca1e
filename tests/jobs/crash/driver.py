"""Do jobs, each in a process of its own, which does something to itself when it comes to a certain write.

Each line of stdin is a job. Writes are named: the job, the statement and its table, or the file that is put in place.
A job's process is forked from one in which everything is imported, and what all of them read first has been read.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import threading
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from pyspark.sql.connect.session import SparkSession

from entity_matching.jobs.job import Job
from entity_matching.jobs.named import find_job
from entity_matching.normalize.categories import normalize_country
from entity_matching.normalize.names import normalize_name

LONG = ("deltalake", "grpc", "lightgbm", "pysail.spark", "entity_matching.jobs.pipeline",
        "entity_matching.jobs.setup_unity_catalog", "entity_matching.jobs.train_ditto_model")  # fmt: skip
"""What takes long to import."""


class Driven:
    """A job in this process, as it was ordered."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.jobs: list[str] = []
        self.writes: list[str] = []

    def do(self) -> int:
        """Do the job, and return the exit code."""
        os.dup2(os.open(self.order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(1, 2)
        self._follow_jobs()
        self._wrap(SparkSession, "sql", statement)
        for name in ("rename", "replace"):
            self._wrap(Path, name, lambda path, to, name=name: f"{name} {placed(to)}")
        try:
            find_job(self.order["job"]).main(self.order["argv"])
            print(json.dumps({"writes": self.writes}))  # noqa: T201 - what the tests read
        except SystemExit as end:
            return int(end.code or 0)
        except BaseException:
            traceback.print_exc()
            return 3
        return 0

    def _follow_jobs(self) -> None:
        plain, jobs = Job.recorded, self.jobs

        def recorded(job: Any, context: Any, given: Any, **how: Any) -> Any:
            jobs.append(job.name)
            try:
                return plain(job, context, given, **how)
            finally:
                jobs.pop()

        setattr(Job, "recorded", recorded)  # noqa: B010 - a method is put in place of another

    def _wrap(self, owner: Any, name: str, named: Any) -> None:
        plain = getattr(owner, name)

        def wrapped(me: Any, *given: Any, **more: Any) -> Any:
            write = named(me, *given)
            if write and self.jobs:
                write = f"{self.jobs[-1]} {write}"
                self.writes.append(write)
                if write == self.order["at"] and self.writes.count(write) == self.order["time"]:
                    getattr(self, self.order["what"])()
            return plain(me, *given, **more)

        setattr(owner, name, wrapped)

    # what it may do to itself

    def die(self) -> None:
        """Be killed."""
        os.kill(os.getpid(), signal.SIGKILL)

    def break_off(self) -> None:
        """Be killed by the system once a file that is written has more than so many bytes."""
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        self.fill_up()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def fill_up(self) -> None:
        """Let the disk take no more: no file more than so many bytes."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.order["bytes"], resource.RLIM_INFINITY))

    def watch(self) -> None:
        """Die as soon as a data file of the table is there, which is before it is committed."""
        folder = Path(self.order["folder"])
        before = set(folder.glob("*.parquet"))

        def look() -> None:
            while set(folder.glob("*.parquet")) == before:
                time.sleep(0.0001)
            self.die()

        threading.Thread(target=look, daemon=True).start()

    def pause(self) -> None:
        """Wait until the file is gone."""
        file = Path(self.order["file"])
        file.write_text("")
        while file.exists():
            time.sleep(0.01)


def statement(_: Any, text: str, *_more: Any) -> str | None:
    """Name a statement that writes."""
    kinds = "MERGE INTO|INSERT INTO|DELETE FROM|CREATE TABLE|ALTER TABLE"
    found = re.match(rf"({kinds})[^`]*`[^`]+`\.`(.+?)`\.`(.+?)`", text)
    return f"{found[1]} {found[2]}.{found[3]}" if found else None


def placed(to: str | Path) -> str:
    """Name a file that is put in place."""
    return re.sub("^[0-9a-f]{12,16}$", "version", Path(to).name)


def main() -> None:
    """Do what stdin orders, one job after the other; tell of each its process, and how it ended."""
    for name in LONG:
        import_module(name)
    normalize_country("nowhere")
    normalize_name("Nobody & Söhne GmbH")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = Driven(json.loads(line)).do()
            sys.stdout.flush()
            os._exit(code)
        print(child, flush=True)  # noqa: T201 - what the tests read
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
