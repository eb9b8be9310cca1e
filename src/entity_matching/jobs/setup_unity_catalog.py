"""The job ``setup-unity-catalog``: the catalog, its tables, and what is loaded into them before the first run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from entity_matching.errors import EntityMatchingError, InputError, OutputError
from entity_matching.jobs.ingest.labels import load_labels
from entity_matching.jobs.ingest.origins import From, default_system
from entity_matching.jobs.ingest.record_schema import keep_schema, stored_schema
from entity_matching.jobs.ingest_source_entities import IngestParameters, LoadParameters, load
from entity_matching.jobs.job import Context, Job
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import quoted
from entity_matching.lakehouse.settings import DATABRICKS
from entity_matching.lakehouse.tables import REVIEW_DECISIONS, TABLES, VIEWS
from entity_matching.schema import Schema

log = logging.getLogger(__name__)

VOLUME = ("models", "artifacts")
"""Schema and name of the volume that models and indexes are kept in."""
_READ = "USE CATALOG, USE SCHEMA, SELECT, READ VOLUME, EXECUTE"
_EXTENSIONS = (".csv", ".parquet", ".jsonl", ".xlsx", ".tsv")


class SetupParameters(LoadParameters):
    """Parameters of ``setup-unity-catalog``."""

    labels: str | None = Field(None, description="Labels: a file or table of source key and reference key.")
    source_system: str | None = Field(
        None, description="The system that labelled records are of. Default: the column source_system of the labels, "
        "else the only system that is stored."
    )  # fmt: skip
    example: Path | None = Field(
        None, description="A folder with reference.csv, source.csv, and maybe labels.csv and schema.yml: loads all of "
        "it but the source, which is for ingest-source-entities."
    )  # fmt: skip
    grant_to: str | None = Field(
        None, description="Users or groups, separated by commas, that may read everything and write review decisions."
    )


@dataclass(frozen=True)
class Example:
    """The files of an example's folder."""

    reference: str
    source: str
    labels: str | None
    schema: Path | None

    @classmethod
    def find(cls, folder: Path) -> Example:
        """Find the files of an example.

        :raises InputError: if the folder, the reference or the source is not there.
        """
        if not folder.is_dir():
            raise InputError("there is no such folder.", file=str(folder), remedy="For instance examples/companies.")
        found = {
            name: next((str(folder / f"{name}{end}") for end in _EXTENSIONS if (folder / f"{name}{end}").is_file()), "")
            for name in ("reference", "source", "labels")
        }
        for name in ("reference", "source"):
            if not found[name]:
                raise InputError(f"there is no {name}.csv in it.", file=str(folder), remedy="Add it.")
        schema = folder / "schema.yml"
        return cls(found["reference"], found["source"], found["labels"] or None, schema if schema.is_file() else None)


def _work(context: Context, parameters: SetupParameters) -> Mapping[str, Any]:
    example = None if parameters.example is None else Example.find(parameters.example)
    if example is not None:
        system = parameters.source_system or default_system(example.source, From.FILE)
        filled = {
            "schema_file": parameters.schema_file or example.schema,
            "reference": parameters.reference or example.reference,
            "labels": parameters.labels or example.labels,
            "source_system": system,
        }
        parameters = parameters.model_copy(update=filled)
    schema = None if parameters.schema_file is None else Schema.load(parameters.schema_file)
    lake = context.lake
    figures: dict[str, Any] = {
        "catalog": lake.settings.catalog,
        "made": lake.create(),
        "tables": len(TABLES),
        "views": len(VIEWS),
        "volume": str(create_volume(lake)),
        "grants": grant(lake, parameters.grant_to),
    }
    if schema is not None:
        figures["schema_changed"] = keep_schema(lake, schema)
    if parameters.reference is not None:
        figures["reference"] = load(context, _reference_alone(parameters))["reference"]
    if parameters.labels is not None:
        kept = schema or stored_schema(lake.settings)
        figures["labels"] = load_labels(
            context, parameters.labels, key=None if kept is None else kept.key, system=parameters.source_system
        )
    if example is not None:
        figures["next"] = f"The source is for: entity-matching run ingest-source-entities -- --source {example.source}"
    return figures


def _reference_alone(parameters: SetupParameters) -> IngestParameters:
    names = LoadParameters.model_fields
    return IngestParameters.model_validate({name: getattr(parameters, name) for name in names})


def create_volume(lake: Lakehouse) -> Path:
    """Make the place where models and indexes are kept, if it is not there, and return it.

    On Databricks it is a volume of the catalog, unless the settings name another folder.

    :raises OutputError: if the folder cannot be made.
    """
    settings = lake.settings
    if settings.target == DATABRICKS and settings.volume is None:
        lake.spark.sql(f"CREATE VOLUME IF NOT EXISTS {quoted(settings.catalog, *VOLUME)}")
        return settings.artifacts
    try:
        settings.artifacts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The folder {settings.artifacts} cannot be made: {error.strerror or error}.",
            remedy="Name another with --volume or --home.",
        ) from error
    return settings.artifacts


def grant(lake: Lakehouse, given: str | None) -> list[str] | str:
    """Let principals read everything and write review decisions; say so where the platform has no rights to give.

    :param given: users or groups, separated by commas.
    :returns: who got them, or why nobody did.
    :raises EntityMatchingError: if the platform refuses.
    """
    principals = [name.strip() for name in (given or "").split(",") if name.strip()]
    if not principals:
        return []
    if lake.settings.target != DATABRICKS:
        told = f"None: the target '{lake.settings.target}' has no rights to grant; Databricks has."
        log.warning("--grant-to: %s", told)
        return told
    for principal in principals:
        try:
            lake.spark.sql(f"GRANT {_READ} ON CATALOG {quoted(lake.settings.catalog)} TO {quoted(principal)}")
            lake.spark.sql(f"GRANT MODIFY ON TABLE {lake.name(REVIEW_DECISIONS)} TO {quoted(principal)}")
        except Exception as error:  # Spark raises many kinds
            raise EntityMatchingError(
                f"Rights on '{lake.settings.catalog}' could not be granted to '{principal}': {error}",
                remedy="Check the name; only the catalog's owner may grant.",
            ) from error
    return principals


JOB = Job(
    "setup-unity-catalog",
    "Makes the catalog with its tables, views and volume, and loads the reference, labels and schema when asked.",
    SetupParameters,
    _work,
    needs_tables=False,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job as a process."""
    JOB.main(argv)
