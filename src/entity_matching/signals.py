"""How a process ends that is interrupted or asked to end: half-written files go, and nothing is waited for."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INTERRUPTED = 130
"""Exit code after Ctrl-C (SIGINT), as shells have it: 128 and the signal's number."""
TERMINATED = 143
"""Exit code after SIGTERM."""


@contextmanager
def ends_orderly() -> Iterator[None]:
    """While the block runs, let SIGINT and SIGTERM end it by ``SystemExit``, and the process though a query goes on."""
    # Python takes handlers from its main thread alone, and whoever calls us in another one ends the process its own way
    acts = _ACTS if threading.current_thread() is threading.main_thread() else {}
    before = {name: signal.signal(name, act) for name, act in acts.items()}
    try:
        yield
    except SystemExit as end:
        if end.code == INTERRUPTED:
            sys.stderr.write("Interrupted. Files that were there before are untouched.\n")
        if end.code in (INTERRUPTED, TERMINATED):
            _leave_queries(end.code)
        raise
    finally:
        for name, act in before.items():
            signal.signal(name, act)


def _terminate(*_signal: Any) -> None:
    # an exception, not the default end, so that half-written files are removed
    sys.exit(TERMINATED)


def _interrupt(*_signal: Any) -> None:
    # not KeyboardInterrupt, at which Spark's client asks its server to end the query, and waits for the answer
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # who presses twice means it
    sys.exit(INTERRUPTED)


_ACTS = {signal.SIGTERM: _terminate, signal.SIGINT: _interrupt}


def _leave_queries(code: int) -> None:
    """End the process if a query still goes on, which Python would wait for."""
    session = sys.modules.get("entity_matching.lakehouse.session")
    if session is not None and session.is_left_behind():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
