"""Where models are registered: the tracking store, the registry, and the names that are used there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from entity_matching.errors import SettingsError
from entity_matching.lakehouse.settings import DATABRICKS, LakehouseSettings

CHAMPION, CHALLENGER = "champion", "challenger"
"""Aliases: the version in force, and the one that was registered last without being promoted."""
MODEL = "entity_matching_ditto"
"""Name of the registered model, within the schema ``models`` of a catalog."""
EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
"""MLflow's own environment variable for the experiment that runs are logged in."""
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class RegistryLocation:
    """Addresses of MLflow's stores, and names in them.

    ``database``, ``artifacts``: the SQLite file and the folder of files of a local registry; ``None`` on Databricks.
    """

    tracking_uri: str
    registry_uri: str
    experiment: str
    model: str
    database: Path | None = None
    artifacts: Path | None = None

    @classmethod
    def of(cls, settings: LakehouseSettings) -> Self:
        """Return the location that belongs to a lakehouse: on Databricks Unity Catalog, else a folder of the home."""
        model = f"{settings.catalog}.models.{MODEL}"
        if settings.target == DATABRICKS:
            experiment = os.environ.get(EXPERIMENT_VARIABLE) or f"/Shared/{settings.catalog}-train-ditto-model"
            return cls("databricks", "databricks-uc", experiment, model)
        home = settings.home / "mlflow"
        database = home / "mlflow.db"
        uri = f"sqlite:///{address_of(database)}"
        return cls(uri, uri, f"{settings.catalog}/train-ditto-model", model, database, home / "artifacts")

    @property
    def is_there(self) -> bool:
        """Whether there can be models: a local registry is there once a model was trained."""
        return self.database is None or self.database.is_file()

    def stamp(self) -> tuple[int, ...] | None:
        """Return what changes whenever a local registry is written to; ``None`` if there is no way to tell."""
        if self.database is None:
            return None
        try:
            found = self.database.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def uri(self, version: str) -> str:
        """Return the address of a version, as MLflow writes it."""
        return f"models:/{self.model}/{version}"


def address_of(database: Path) -> str:
    """Return the path of a database as it stands in its address."""
    return quote(str(database), safe="".join(set(str(database)) - {"%", "?"}))


@dataclass(frozen=True)
class ModelUri:
    """What ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION`` says."""

    catalog: str
    wanted: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the address of a model.

        :raises SettingsError: if it is none, or not that of a model of this project.
        """
        found = _URI.fullmatch(text)
        catalog, _, rest = found["name"].partition(".") if found else ("", "", "")
        if found is None or rest != f"models.{MODEL}":
            raise SettingsError(
                f"'{text}' is not the address of a model.",
                remedy=f"Write models:/CATALOG.models.{MODEL}@{CHAMPION} or models:/CATALOG.models.{MODEL}/VERSION.",
            )
        return cls(catalog, found["alias"] or found["version"])
