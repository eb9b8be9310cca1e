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


def import_spark_client() -> None:
    """Import Spark's client, which takes a program without a file (``python -c``) for its own doctests and ends it.

    :raises ImportError: if it is not installed.
    """
    main = sys.modules["__main__"]
    nameless = not hasattr(main, "__file__")
    if nameless:
        main.__file__ = "-c"
    try:
        importlib.import_module("pyspark.sql.connect.session")
    finally:
        if nameless:
            del main.__file__
