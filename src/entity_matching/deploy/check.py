"""One thing that is looked at before anything is deployed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What was found. ``message`` says it in either case, with file and line where something is wrong there."""

    name: str
    ok: bool
    message: str
    remedy: str = ""


def found(name: str, problems: Iterable[tuple[str, str]], otherwise: str) -> list[Check]:
    """Return a failed check for each problem, given with its remedy; or a passed one that says what was found."""
    failed = [Check(name, False, message, remedy) for message, remedy in problems]
    return failed or [Check(name, True, otherwise)]
