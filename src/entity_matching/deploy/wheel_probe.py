"""Asks each command for help, in an environment that only has the wheel: ``python -m ... NAME=MODULE:FUNCTION ...``."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from typing import Any

HEAVY = ("torch", "transformers", "pyspark", "pyspark-client", "pysail", "databricks-connect")
"""Distributions that a job must not need before it does something with them."""
_MODULES = ("torch", "transformers", "pyspark", "pysail")


class _ShutOut(MetaPathFinder):
    """Makes the heavy packages as if they were not installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Refuse what is shut out; of all else somebody else knows."""
        if fullname.partition(".")[0] in _MODULES:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def main(argv: Sequence[str]) -> str:
    """Ask the commands for help.

    :param argv: commands, each as ``NAME=MODULE:FUNCTION``; with ``--shut-out`` heavy packages are as if they were not
        installed, without it they must not be.
    :returns: what is wrong; an empty text if nothing is.
    """
    if "--shut-out" in argv:
        sys.meta_path.insert(0, _ShutOut())
    else:
        there = [name for name in _MODULES if importlib.util.find_spec(name)]
        if there:
            return f"{', '.join(there)} came with it"
    for command in argv:
        name, equals, place = command.partition("=")
        wrong = _ask(name, place) if equals else ""
        if wrong:
            return f"{name} --help: {wrong}"
    return ""


def _ask(name: str, place: str) -> str:
    module, _, function = place.partition(":")
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            getattr(importlib.import_module(module), function)(["--help"])
    except SystemExit as end:
        return "" if end.code in (0, None) and said.getvalue().strip() else f"ended with {end.code}, said nothing"
    except (ImportError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return "did not end"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
