"""The lakehouse a command looks at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from entity_matching.errors import EntityMatchingError

if TYPE_CHECKING:
    from entity_matching.lakehouse import Lakehouse, LakehouseSettings


def settings_of(catalog: str | None, target: str | None, home: Path | None) -> LakehouseSettings:
    """Return where the lakehouse is, from the options of a command and the environment."""
    from entity_matching.lakehouse import LakehouseSettings

    return LakehouseSettings.from_environment(
        os.environ, catalog=catalog, target=target, home=None if home is None else str(home)
    )


@contextmanager
def opened(settings: LakehouseSettings) -> Iterator[Lakehouse]:
    """Open a lakehouse that has been set up.

    :raises EntityMatchingError: if it has not been.
    """
    from entity_matching.lakehouse import open_lakehouse
    from entity_matching.lakehouse.settings import LOCAL

    if settings.target == LOCAL and not settings.warehouse.is_dir():
        others = [path.name for path in settings.warehouse.parent.glob("*") if path.is_dir()]
        there = f" Catalogs there: {', '.join(sorted(others))}." if others else ""
        raise EntityMatchingError(
            f"There is no catalog '{settings.catalog}' in {settings.home} yet.{there}",
            remedy="Set it up: entity-matching run setup-unity-catalog (or name another folder with --home).",
        )
    with open_lakehouse(settings) as lake:
        lake.check()
        yield lake
