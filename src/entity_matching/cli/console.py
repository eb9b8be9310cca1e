"""What the commands say and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

ReportProgress = Callable[[str, float], None]
"""Takes a stage's name and the share of it that is done, 0 to 1."""

_WIDTH = 120
"""Width of tables where there is no terminal."""


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _WIDTH, highlight=False)


def terminal_width() -> int:
    """Return how many characters a line of the result may have."""
    return _console(stderr=False).width


@dataclass(frozen=True)
class Terminal:
    """Where one command writes.

    :param as_json: whether the result is to be JSON; then stdout holds that and nothing else, and what
        is meant for people goes to stderr.
    """

    as_json: bool = False

    def say(self, text: str) -> None:
        """Print a line of the result that is meant for people."""
        _console(stderr=self.as_json).print(text, markup=False, soft_wrap=True)

    def show(self, table: Table) -> None:
        """Print a table of the result that is meant for people."""
        _console(stderr=self.as_json).print(table)

    def note(self, text: str) -> None:
        """Print a line that is no part of the result."""
        _console(stderr=True).print(text, style="dim", markup=False, soft_wrap=True)

    def result(self, data: dict[str, Any]) -> None:
        """Print the result as JSON, if that was asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    @contextmanager
    def progress(self) -> Iterator[ReportProgress | None]:
        """Show a progress bar while the block runs; without a terminal there is none.

        :return: what to report progress to.
        """
        console = _console(stderr=True)
        if not console.is_terminal:
            yield None
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, *times, console=console, transient=True) as bar:
            task = bar.add_task("starting", total=1.0)

            def report(stage: str, done: float) -> None:
                if done < bar.tasks[0].completed:  # another stage, whose speed is another
                    bar.reset(task)
                bar.update(task, description=stage, completed=done)

            yield report


class Notes(logging.Handler):
    """Prints what the library logs (a cap that bites, an encoding that was guessed) as lines on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        label = "Warning" if record.levelno >= logging.WARNING else "Note"
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        text = f"{label}: {record.getMessage()}"
        _console(stderr=True).print(text, style=style, markup=False, soft_wrap=True)


def show_notes(level: int) -> None:
    """Print what the library logs from ``level`` on."""
    logger = logging.getLogger("entity_matching")
    logger.handlers = [handler for handler in logger.handlers if not isinstance(handler, Notes)]
    logger.addHandler(Notes(level))
    logger.setLevel(min(level, logging.WARNING))


def complain(text: str) -> None:
    """Print an error."""
    _console(stderr=True).print(text, style="red", markup=False, soft_wrap=True)


def records(number: int, kind: str = "record") -> str:
    """Return a number of records in words: ``1 record``, ``2,000 records``."""
    return f"{number:,} {kind}{'' if number == 1 else 's'}"


def grid(title: str, *columns: str) -> Table:
    """Return an empty table with a title; a column whose name begins with ``#`` is aligned right."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        table.add_column(column.removeprefix("#"), justify="right" if column.startswith("#") else "left")
    return table


def program() -> str:
    """Return what this program is called by: its name where that is found, else the path it was started by."""
    name, started = "entity-matching", Path(sys.argv[0])
    return str(started) if started.name == name and shutil.which(name) is None else name
