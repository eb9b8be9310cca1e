"""Where the lakehouse is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from entity_matching.errors import SettingsError
from entity_matching.lakehouse.names import check_name, folder_name

HOME_VARIABLE = "ENTITY_MATCHING_HOME"
"""Environment variable that names the project's home on one machine."""
RUNTIME_VARIABLE = "DATABRICKS_RUNTIME_VERSION"
"""Environment variable that Databricks sets where its jobs run."""
DEFAULT_HOME = ".entity-matching"
LOCAL, DATABRICKS = "local", "databricks"
REMOTE = "sc://"


@dataclass(frozen=True)
class LakehouseSettings:
    """Which session, which catalog, and where files are kept.

    :param catalog: the catalog's name.
    :param target: ``local`` (Sail in this process), ``sc://host:port`` (a Spark Connect server), or ``databricks``
        (the session that is there).
    :param home: folder of everything that is kept on this machine: tables of the target ``local``, locks.
    :param volume: folder of models and indexes, which every worker must be able to read; by default it is
        ``/Volumes/<catalog>/models/artifacts`` on Databricks and a folder of the home elsewhere.
    """

    catalog: str = "entity_matching"
    target: str = LOCAL
    home: Path = Path(DEFAULT_HOME)
    volume: Path | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        object.__setattr__(self, "catalog", check_name(self.catalog, "the catalog name"))
        object.__setattr__(self, "home", Path(self.home).expanduser().absolute())
        if self.target not in (LOCAL, DATABRICKS) and not self.target.startswith(REMOTE):
            raise SettingsError(
                f"the target '{self.target}' is unknown.",
                remedy=f"Targets are '{LOCAL}', '{DATABRICKS}' and {REMOTE}host:port.",
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **given: str | None) -> LakehouseSettings:
        """Return the settings that an environment and given values make; what is given goes first.

        On Databricks (its variable is set) the target is the session that is there.
        """
        target = given.get("target") or (DATABRICKS if environment.get(RUNTIME_VARIABLE) else LOCAL)
        home = given.get("home") or environment.get(HOME_VARIABLE) or DEFAULT_HOME
        volume = given.get("volume")
        catalog = given.get("catalog") or cls.catalog
        return cls(catalog=catalog, target=target, home=Path(home), volume=Path(volume) if volume else None)

    @property
    def warehouse(self) -> Path:
        """Folder of the local tables: ``<home>/warehouse/<catalog>/<schema>/<table>``."""
        return self.home / "warehouse" / folder_name(self.catalog)

    @property
    def artifacts(self) -> Path:
        """Folder of models, indexes and the schema of the records."""
        if self.volume is not None:
            return self.volume
        if self.target == DATABRICKS:
            return Path("/Volumes") / self.catalog / "models" / "artifacts"
        return self.home / "volumes" / folder_name(self.catalog) / "models" / "artifacts"

    @property
    def locks(self) -> Path:
        """Folder of the locks that keep two runs apart."""
        return self.home / "locks"
