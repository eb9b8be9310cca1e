"""The process that starts jobs by their schedules: ``python -m entity_matching.deploy.local.scheduler``.

The schedules are those that are deployed, and are read again when another deployment changes them. Nothing else is
kept: what was missed while no scheduler ran is told from the records of the runs, and is caught up once.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from entity_matching.deploy.cron import Cron
from entity_matching.deploy.local.deployed import Deployed, file_of
from entity_matching.deploy.local.records import KILLED, Runs
from entity_matching.deploy.local.runner import CATCH_UP, SCHEDULE
from entity_matching.deploy.schedule import configure, folder_of, held
from entity_matching.errors import EntityMatchingError, OptionalDependencyError
from entity_matching.lakehouse.settings import DEFAULT_HOME, HOME_VARIABLE

log = logging.getLogger("entity_matching.deploy.local.scheduler")  # also where it is run as a process's main module

TICK_S = 0.5
"""Seconds between two looks for another deployment, and at the runs that go on."""
_MODULE = "entity_matching.deploy.local.run_process"
_TAIL = 1_000


def cron_of(schedule: Mapping[str, Any]) -> Cron:
    """Return the schedule of a job as it stands in a bundle."""
    return Cron.parse(str(schedule["quartz_cron_expression"]), str(schedule.get("timezone_id") or "UTC"))


def is_missed(deployed: Deployed, key: str, now: datetime) -> bool:
    """Say whether a job should have run by its schedule and has not, or its last run was killed."""
    runs = Runs(deployed.home).all(key)
    if runs and runs[0].status == KILLED:
        return True
    since = datetime.fromisoformat(deployed.scheduled_since[key])
    last = max([since, *(datetime.fromisoformat(run.started_at) for run in runs[:1])])
    due = cron_of(deployed.schedules[key]).next_times(last, 1)
    return bool(due) and due[0] <= now


class Scheduler:
    """Starts the jobs of one home when they are due.

    :param environment: of the runs' processes.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        try:
            from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415 - an extra brings it
        except ImportError as error:
            raise OptionalDependencyError("apscheduler", "local", "A schedule") from error
        self.home, self.environment = home, {**environment, HOME_VARIABLE: str(home)}
        # one run for all times that were slept through; never too late for that one
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._stamp: tuple[int, int] | None = None
        self._runs: dict[str, subprocess.Popen[bytes]] = {}
        self.stopping = False

    def run(self) -> None:
        """Start jobs until a signal says to stop; runs that go on then are left to themselves."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        self._read_again()
        self._scheduler.start()
        try:
            while not self.stopping:
                self._read_again()
                self._look()
                time.sleep(TICK_S)
        finally:
            self._scheduler.shutdown(wait=False)
            for number, handler in before.items():
                signal.signal(number, handler)
            log.info("The scheduler stops.")

    def _stop(self, *_signal: Any) -> None:
        self.stopping = True

    def _read_again(self) -> None:
        """Take over what is deployed, if that has changed."""
        try:
            stat = file_of(self.home).stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            stamp = (0, 0)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            deployed = Deployed.load(self.home)
        except EntityMatchingError as error:
            log.error("%s The schedules stay as they are.", error)
            return
        self._take_over(deployed)

    def _take_over(self, deployed: Deployed | None) -> None:
        schedules = {} if deployed is None else deployed.schedules
        for job in self._scheduler.get_jobs():
            if job.id not in schedules:
                job.remove()
                log.info("'%s' has no schedule any more.", job.id)
        for key, schedule in schedules.items():
            try:
                cron = cron_of(schedule)
                self._scheduler.add_job(self._start, cron.trigger(), (key, SCHEDULE), id=key, replace_existing=True)
            except EntityMatchingError as error:
                log.error("'%s' cannot be scheduled: %s", key, error)
                continue
            following = cron.next_times(datetime.now(UTC), 1)
            log.info("'%s' runs next at %s.", key, following[0].isoformat() if following else "no time")
            if deployed is not None and is_missed(deployed, key, datetime.now(UTC)):
                log.warning("'%s' was missed or killed; it is caught up.", key)
                self._start(key, CATCH_UP)

    def _start(self, key: str, trigger: str) -> None:
        before = self._runs.get(key)
        if before is not None and before.poll() is None:
            log.warning("'%s' is due, but still runs from the last time; this time is left out.", key)
            return
        with self._said(key).open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, key, trigger],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                start_new_session=True,  # it goes on if this process is stopped
            )
        self._runs[key] = process
        log.info("'%s' is started (%s, process %d).", key, trigger, process.pid)

    def _look(self) -> None:
        """Note the runs that have ended."""
        for key, process in list(self._runs.items()):
            code = process.poll()
            if code is None:
                continue
            del self._runs[key]
            if code == 0:
                log.info("'%s' is done.", key)
            else:
                said = self._said(key).read_text(encoding="utf-8", errors="replace").strip()[-_TAIL:]
                log.error("'%s' ended with %d: %s", key, code, said)

    def _said(self, key: str) -> Path:
        return folder_of(self.home) / f"{key}.err"


def serve(home: Path, *, to_file: bool) -> None:
    """Run the scheduler of a home until it is told to stop.

    :param to_file: whether it logs to its file, and not to stderr.
    :raises EntityMatchingError: if one runs already, or the home cannot be written to.
    """
    with held(home):
        configure(home, to_file=to_file)
        log.info("The scheduler of %s starts (process %d).", home, os.getpid())
        Scheduler(home, os.environ).run()


def main() -> int:
    """Run the scheduler of the home that the environment names."""
    home = Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).absolute()
    try:
        serve(home, to_file=True)
    except EntityMatchingError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
