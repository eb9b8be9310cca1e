"""The log: one JSON object a line, without what records say.

Of an error only its type and where it arose are logged, since its message may quote a record. Texts of other
packages are left out for the same reason; so are the values in texts of the parts of this package that see records.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

_PACKAGE = "entity_matching"
_TOLD = tuple(f"{_PACKAGE}.{part}" for part in ("serving", "jobs", "registry", "lakehouse"))
"""Parts of the package whose texts are logged as they are."""
_FRAMES = 12
"""Innermost calls that are logged of an error."""
FIELDS = "fields"
"""Name by which a call of the log passes on further values: ``extra={FIELDS: {...}}``."""


class JsonFormatter(logging.Formatter):
    """Writes a line of the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": _text(record),
        }
        line |= getattr(record, FIELDS, {})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["at"] = _frames(record.exc_info[2])
        return json.dumps(line, default=str)


def configure(path: Path | None) -> None:
    """Send what is logged in this process to a file, or to stderr; and what would be printed of errors, too."""
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = WatchedFileHandler(path, encoding="utf-8")  # opened again when it was rotated away
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_PACKAGE).setLevel(logging.INFO)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "mlflow", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)  # requests are logged by ours
    sys.excepthook = _uncaught
    threading.excepthook = lambda given: _uncaught(given.exc_type, given.exc_value, given.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    found = (kind, error, where) if error is not None else (None, None, None)
    logging.getLogger(_PACKAGE).critical("An error was not expected.", exc_info=found)


def _text(record: logging.LogRecord) -> str:
    if record.name.startswith(_TOLD):
        return record.getMessage()
    if record.name.startswith(_PACKAGE):
        return str(record.msg)  # the text without its values
    return f"noted at {record.module}:{record.lineno}"


def _frames(where: TracebackType | None) -> list[str]:
    return [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(where)[-_FRAMES:]
    ]
