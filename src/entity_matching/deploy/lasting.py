"""Variables that last: what one deployment was given holds for the next to the same target, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from entity_matching.deploy.bundle import PHASES, own_values, read_phase
from entity_matching.deploy.phase_bundles import MODEL_VERSION
from entity_matching.deploy.variables import PREFIX


def lasting(
    root: Path, target: str, before: Mapping[str, str], given: Mapping[str, str], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return which of the variables that earlier deployments were given still hold.

    A value that is given now goes before, be it by the command, the environment or the user's own file; and one of a
    variable that the files do not declare any more is of no use.

    :param before: what was remembered. :param given: by the command that is carried out now.
    """
    if not before:
        return {}
    declared = read_phase(root, PHASES[-1])[0].get("variables")
    names = set() if declared is None else set(declared.value)
    now = {*given, *own_values(root, target).value}
    return {
        name: value
        for name, value in before.items()
        if name in names and name not in now and PREFIX + name not in environment
    }


def to_remember(given: Mapping[str, str]) -> dict[str, str]:
    """Return what later deployments are to take over; the model's version is not: each asks which is the champion."""
    return {name: value for name, value in sorted(given.items()) if name != MODEL_VERSION}
