"""The end of a deployment: what is destroyed with it, what stays, and what only a command of its own removes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from entity_matching.deploy.databricks_cli import DatabricksCli, DatabricksCliError
from entity_matching.deploy.found import still_there
from entity_matching.deploy.phases import LAST, Deployment
from entity_matching.deploy.plan import DELETE
from entity_matching.deploy.remembered import Kept
from entity_matching.deploy.steps import Step, lost_with
from entity_matching.errors import EntityMatchingError

_OWN_SCHEMA = "information_schema"


@dataclass(frozen=True)
class Removal:
    """What goes and what stays when a deployment is destroyed.

    ``goes``: the jobs and endpoints. ``kept``: those of them that were kept aside. ``folder``: in the workspace, with
    all files in it.
    """

    goes: tuple[Step, ...]
    kept: tuple[Kept, ...]
    folder: str
    stays: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """What is in a catalog: its tables by their full names, and the versions of the model."""

    catalog: str
    model: str
    exists: bool
    tables: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


def prepare_removal(deployment: Deployment) -> Removal:
    """Find out what a destruction would remove; nothing is changed."""
    state, folder = deployment.state()
    names = deployment.bundles.names(LAST)
    aside = [thing for thing in deployment.memory.kept.values() if thing.key not in state]
    kept = tuple(thing for thing in aside if still_there(deployment.cli, thing))
    goes = [Step(key, DELETE, names.get(key, key), lost_with(key)) for key in sorted(state)]
    goes += [Step(thing.key, DELETE, thing.name, f"kept aside until now; {lost_with(thing.key)}") for thing in kept]
    bundle = deployment.bundles.load(LAST)
    stays = (
        f"the catalog {bundle.catalog} with its tables, views and volume",
        f"the registered model {bundle.model_name} with its versions",
        "the runs of the trainings in MLflow",
    )
    return Removal(tuple(goes), kept, folder, stays)


def carry_out_removal(deployment: Deployment, removal: Removal, tell: Callable[[str], None]) -> None:
    """Destroy a deployment; ``databricks.yml`` and what was remembered go with it."""
    deployment.memory = deployment.memory.changed(unfinished=0)
    for thing in removal.kept:
        deployment.take_back(thing, LAST, tell)
    deployment.show(LAST).destroy(tell)
    deployment.file.remove()
    deployment.memory.ended()


def prepare_data_removal(deployment: Deployment) -> Data:
    """Find out what is in the catalog; nothing is changed.

    :raises EntityMatchingError: if jobs or the endpoint are still deployed, which need it.
    """
    removal = prepare_removal(deployment)
    if removal.goes:
        raise EntityMatchingError(
            f"{', '.join(step.name for step in removal.goes)} still need the catalog.",
            remedy=f"First: entity-matching destroy -t {deployment.cli.target}",
        )
    bundle, cli = deployment.bundles.load(LAST), deployment.cli
    schemas = [str(schema["name"]) for schema in cli.listed("schemas", "list", bundle.catalog)]
    tables = [
        str(table.get("full_name") or f"{bundle.catalog}.{schema}.{table['name']}")
        for schema in schemas
        if schema != _OWN_SCHEMA
        for table in cli.listed("tables", "list", bundle.catalog, schema)
    ]
    versions = [str(version["version"]) for version in cli.listed("model-versions", "list", bundle.model_name)]
    return Data(bundle.catalog, bundle.model_name, bool(schemas), tuple(tables), tuple(versions))


def carry_out_data_removal(deployment: Deployment, data: Data, tell: Callable[[str], None]) -> None:
    """Delete the model's versions, the model, and the catalog with all that is in it; nothing more is remembered."""
    cli = deployment.cli
    for version in data.versions:
        tell(f"Deleting version {version} of {data.model}.")
        _gone(cli, "model-versions", "delete", data.model, version)
    _gone(cli, "registered-models", "delete", data.model)
    tell(f"Deleting the catalog {data.catalog}.")
    _gone(cli, "catalogs", "delete", data.catalog, "--force")
    deployment.memory.forgotten()


def _gone(cli: DatabricksCli, *command: str) -> None:
    try:
        cli.call(*command)
    except DatabricksCliError as error:
        if not error.is_missing:
            raise
