"""How a process of ours begins, which is nobody else's: the command line's, a job's, the endpoint's."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import Any

_ours = threading.Event()
_UNUSED = "sklearn"


def begin_process() -> None:
    """Set this process up for our work; nobody else's code runs in it."""
    # threads that wait must not spin: beside another busy process that more than halves the speed of training
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _ours.set()


def import_lightgbm() -> Any:
    """Return LightGBM; in a process of ours without its interface to scikit-learn.

    We do not use that, and six of the seven tenths of a second that importing LightGBM takes are scikit-learn's. In
    other processes it stays, since whoever else is there may use it.
    """
    if not _ours.is_set() or _UNUSED in sys.modules:
        return importlib.import_module("lightgbm")
    sys.modules[_UNUSED] = None  # type: ignore[assignment]  # what Python takes for not to be had
    try:
        return importlib.import_module("lightgbm")
    finally:
        del sys.modules[_UNUSED]
