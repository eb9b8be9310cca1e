"""What the models on disk have of the registry: the file ``current`` as a mirror of the alias ``champion``.

MLflow takes seconds to start, so it is asked only if something may have changed: on one machine if the registry's
database was written to since, which its time and size tell; on Databricks always. Without a registry, what is on disk
counts.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from entity_matching.lakehouse.settings import LakehouseSettings
from entity_matching.registry.location import CHAMPION, RegistryLocation
from entity_matching.registry.versions import Versions
from entity_matching.storage import replace_text

MIRROR = "current.json"
"""File beside ``current``: the champion when the registry was asked last, and the stamp the registry then had."""


def is_there(settings: LakehouseSettings) -> bool:
    """Say whether there can be registered models."""
    return RegistryLocation.of(settings).is_there


def refresh(settings: LakehouseSettings, current: Path) -> None:
    """Bring the file that names the version in force up to date.

    :raises EntityMatchingError: if the registry must be asked and cannot be.
    """
    location = RegistryLocation.of(settings)
    stamp = location.stamp()
    if not location.is_there or (stamp is not None and _mirrored(current).get("stamp") == list(stamp)):
        return
    with Versions.open(settings) as versions:
        champion = versions.by_alias(CHAMPION)
    mirror(current, None if champion is None else champion.number, stamp)


def mirror(current: Path, champion: str | None, stamp: tuple[int, ...] | None) -> None:
    """Write down the champion.

    :param stamp: of the registry, taken before it was asked: if it was written to meanwhile, it is asked again.
    """
    before = _mirrored(current).get("champion")
    current.parent.mkdir(parents=True, exist_ok=True)
    if champion is not None:
        replace_text(current, champion + "\n")
    elif before is not None and _read(current) == before:  # it is champion no more, and no other is
        current.unlink(missing_ok=True)
    with suppress(OSError):  # then the registry is asked again
        replace_text(current.with_name(MIRROR), json.dumps({"champion": champion, "stamp": stamp}) + "\n")


def by_alias(settings: LakehouseSettings, alias: str) -> str | None:
    """Return the number of the version that has an alias; ``None`` if there is none, or no registry."""
    if not is_there(settings):
        return None
    with Versions.open(settings) as versions:
        found = versions.by_alias(alias)
    return None if found is None else found.number


def fetch(settings: LakehouseSettings, number: str, folder: Path) -> None:
    """Bring a registered version into a folder.

    :raises EntityMatchingError: if it is not registered, or not whole.
    """
    with Versions.open(settings) as versions:
        versions.fetch(number, folder)


def _mirrored(current: Path) -> dict[str, object]:
    try:
        found = json.loads(current.with_name(MIRROR).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> str | None:
    with suppress(OSError):
        return path.read_text(encoding="utf-8").strip()
    return None
