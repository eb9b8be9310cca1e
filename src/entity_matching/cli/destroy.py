"""``entity-matching destroy`` and ``destroy-data``."""

from __future__ import annotations

from typing import Annotated

import typer

from entity_matching.cli.console import Terminal, records
from entity_matching.cli.deploying import (
    LOCAL,
    DeployProfile,
    DeployTarget,
    ForceLock,
    Root,
    Site,
    Variables,
    Yes,
    ask,
    check_can_ask,
    show_steps,
)
from entity_matching.cli.options import AsJson, Home
from entity_matching.errors import SettingsError

SHOWN = 40
"""Tables that are named one by one."""


def destroy(
    target: DeployTarget = LOCAL,
    yes: Yes = False,
    var: Variables = None,
    profile: DeployProfile = None,
    force_lock: ForceLock = False,
    root: Root = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Remove the jobs and the endpoint of a target; its catalog, tables and model stay."""
    from entity_matching.deploy.removal import carry_out_removal, prepare_removal

    terminal = Terminal(as_json)
    site = Site.of(terminal, target, root, home, var=var, profile=profile)
    if target == LOCAL:
        from entity_matching.cli.destroy_local import destroy_here

        destroy_here(site, yes=yes)
        return
    check_can_ask(yes=yes, instead="if that is meant")
    deployment = site.there(force_lock=force_lock)
    with deployment.held():
        removal = prepare_removal(deployment)
        if removal.goes:
            show_steps(f"Destroyed on {target}", removal.goes, terminal)
        else:
            terminal.say(f"No job and no endpoint is deployed to {target}.")
        if removal.folder:
            terminal.say(f"Deleted too: the folder {removal.folder} in the workspace, with all files in it.")
        terminal.say(f"What stays: {'; '.join(removal.stays)}.")
        if not yes:
            ask(f"Destroy the deployment to {target}?")
        carry_out_removal(deployment, removal, terminal.note)
    terminal.say(
        f"The deployment to {target} is destroyed. What stayed goes with: entity-matching destroy-data -t {target}"
    )
    terminal.result({"target": target, "destroyed": [step.name for step in removal.goes], "stays": list(removal.stays)})


def destroy_data(
    target: DeployTarget = LOCAL,
    confirm: Annotated[
        str | None,
        typer.Option(
            "--confirm",
            metavar="CATALOG",
            help="The catalog's name, in place of the second question.",
            show_default=False,
        ),
    ] = None,
    yes: Yes = False,
    var: Variables = None,
    profile: DeployProfile = None,
    root: Root = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Delete the catalog of a target with its tables, views and volume, and the registered model. Asks twice."""
    from entity_matching.deploy.removal import carry_out_data_removal, prepare_data_removal

    terminal = Terminal(as_json)
    site = Site.of(terminal, target, root, home, var=var, profile=profile)
    if target == LOCAL:
        from entity_matching.cli.destroy_local import destroy_data_here

        destroy_data_here(site, yes=yes, confirm=confirm)
        return
    check_can_ask(yes=yes and confirm is not None, instead="and --confirm CATALOG")
    deployment = site.there()
    with deployment.held():
        data = prepare_data_removal(deployment)
        if not data.exists and not data.versions:
            terminal.say(f"There is no catalog {data.catalog} and no model {data.model}.")
            terminal.result({"target": target, "deleted": False})
            return
        for table in data.tables[:SHOWN]:
            terminal.say(f"  {table}")
        if len(data.tables) > SHOWN:
            terminal.say(f"  and {records(len(data.tables) - SHOWN, 'table')} more")
        terminal.say(
            f"Deleted for good: the catalog {data.catalog} with {records(len(data.tables), 'table')} and all review "
            f"decisions, and the model {data.model} with {records(len(data.versions), 'version')}."
        )
        if not yes:
            ask(f"Delete the catalog {data.catalog}?")
        typed = confirm if confirm is not None else typer.prompt("Type the catalog's name to confirm", err=True)
        if typed.strip() != data.catalog:
            raise SettingsError(f"'{typed}' is not the catalog's name; nothing was deleted.")
        carry_out_data_removal(deployment, data, terminal.note)
    terminal.say(f"The catalog {data.catalog} and the model {data.model} are deleted.")
    terminal.result({"target": target, "deleted": True, "tables": list(data.tables)})
