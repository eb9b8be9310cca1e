"""A job: what it is called with, what it does, and how its run is written down."""

from __future__ import annotations

import json
import logging
import os
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic

import pyarrow as pa

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.parameters import P, parse
from entity_matching.lakehouse import Lakehouse, open_lakehouse
from entity_matching.lakehouse.lock import exclusive_run
from entity_matching.lakehouse.tables import PIPELINE_RUNS
from entity_matching.lakehouse.writes import merge
from entity_matching.signals import ends_orderly
from entity_matching.startup import begin_process

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]
Progress = Callable[[str, float], None]
"""Takes a stage's name and the share of it that is done, 0 to 1."""
Figures = Mapping[str, Any]
"""What a job tells at its end, ready for JSON."""
LONGEST_MESSAGE = 2_000
_STAMP = pa.timestamp("us", "UTC")
_ROWS = pa.schema(
    [*((name, pa.string()) for name in ("run_id", "job", "status", "message", "parameters"))]
    + [(name, _STAMP) for name in ("started_at", "finished_at")]
)


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def new_run_id(clock: Clock) -> str:
    """Return a name for a run; names sort by time."""
    return f"{clock():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class Context:
    """What a job works with.

    ``clock`` gives the time in UTC; ``progress``, if there is one, is told what is done. ``unwritten``: by job, what is
    still to be written down of its run, with whatever is written next.
    """

    lake: Lakehouse
    run_id: str
    clock: Clock = utc_now
    progress: Progress | None = None
    unwritten: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job(Generic[P]):
    """One job. ``work`` does it; ``needs_tables`` says whether the catalog must have been set up."""

    name: str
    description: str
    parameters: type[P]
    work: Callable[[Context, P], Figures]
    needs_tables: bool = True

    def run(
        self, argv: Sequence[str] | None = None, *, clock: Clock = utc_now, progress: Progress | None = None
    ) -> Figures:
        """Do the job with these arguments, by default those of the process.

        :raises EntityMatchingError: if it cannot be done.
        """
        arguments = sys.argv[1:] if argv is None else argv
        given = parse(self.parameters, arguments, program=self.name, description=self.description)
        settings = given.lakehouse(os.environ)
        with exclusive_run(settings, wait=given.wait), open_lakehouse(settings) as lake:
            if self.needs_tables:
                lake.check()
            return self.recorded(Context(lake, given.run_id or new_run_id(clock), clock, progress), given)

    def recorded(self, context: Context, given: P, *, last: bool = True) -> Figures:
        """Do the job and write down in ``gold.pipeline_runs`` when and how it ended.

        :param last: whether no other job follows in this context. If one does, its beginning is written together with
            this end, since a commit takes a tenth of a second.
        """
        started = context.clock()
        if self.needs_tables:
            self._note(context, given, started, "running")
        try:
            figures = self.work(context, given)
        except BaseException as error:
            if self.needs_tables:
                self._note_failure(context, given, started, error)
            raise
        self._note(context, given, started, "done", wait=not last)
        return {"run_id": context.run_id, **figures}

    def main(self, argv: Sequence[str] | None = None) -> None:
        """Do the job as a process: the figures as JSON on stdout; exit code 1 and one message if it failed.

        Interrupted, it ends with 130, and asked to end, with 143; then the next run repairs what it left.
        """
        begin_process()
        with ends_orderly():
            try:
                figures = self.run(argv)
            except EntityMatchingError as error:
                sys.stderr.write(f"Error: {error}\n")
                sys.exit(error.exit_code)
        sys.stdout.write(json.dumps(figures, indent=2, default=str) + "\n")

    def _note_failure(self, context: Context, given: P, started: datetime, error: BaseException) -> None:
        """Write down a failure, without hiding it if that fails too."""
        try:
            self._note(context, given, started, "failed", str(error)[:LONGEST_MESSAGE] or type(error).__name__)
        except Exception as second:  # noqa: BLE001 - the session itself may be what broke
            log.warning("that the job failed could not be written down: %s", second)

    def _note(
        self,
        context: Context,
        given: P,
        started: datetime,
        status: str,
        message: str | None = None,
        *,
        wait: bool = False,
    ) -> None:
        context.unwritten[self.name] = {
            "run_id": context.run_id,
            "job": self.name,
            "status": status,
            "message": message,
            "parameters": given.model_dump_json(exclude_none=True),
            "started_at": started,
            "finished_at": None if status == "running" else context.clock(),
        }
        if not wait:
            rows = pa.Table.from_pylist(list(context.unwritten.values()), _ROWS)
            merge(context.lake, PIPELINE_RUNS, context.lake.frame(rows), distinct=True)
            context.unwritten.clear()
