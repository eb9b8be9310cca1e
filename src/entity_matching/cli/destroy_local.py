"""``entity-matching destroy -t local`` and ``destroy-data -t local``."""

from __future__ import annotations

import typer

from entity_matching.cli.deploying import Site, ask, check_can_ask
from entity_matching.errors import SettingsError


def destroy_here(site: Site, *, yes: bool) -> None:
    """Stop the endpoint and the scheduler of this machine, and forget the jobs; everything else stays."""
    check_can_ask(yes=yes, instead="if that is meant")
    deployment, bundles = site.here()
    terminal = site.terminal
    with deployment.held():
        goes = deployment.things()
        stays = [str(folder) for folder in deployment.data(bundles.load(1))]
        for thing in goes:
            terminal.say(f"Removed: {thing}")
        if not goes:
            terminal.say(f"Nothing is deployed to {site.home}.")
        terminal.say(f"What stays: {', '.join(stays) or 'nothing'}.")
        if not yes:
            ask("Destroy the deployment to this machine?")
        deployment.destroy(terminal.note)
    terminal.say("The deployment to this machine is destroyed. What stayed goes with: entity-matching destroy-data")
    terminal.result({"target": "local", "destroyed": goes, "stays": stays})


def destroy_data_here(site: Site, *, yes: bool, confirm: str | None) -> None:
    """Delete tables, models and the records of runs of this machine; asks twice."""
    check_can_ask(yes=yes and confirm is not None, instead="and --confirm CATALOG")
    deployment, bundles = site.here()
    terminal = site.terminal
    with deployment.held():
        bundle = bundles.load(1)
        deployment.check_erasable()
        folders = [str(folder) for folder in deployment.data(bundle)]
        if not folders:
            terminal.say(f"There is no catalog {bundle.catalog} in {site.home}.")
            terminal.result({"target": "local", "deleted": False})
            return
        for folder in folders:
            terminal.say(f"  {folder}")
        terminal.say(f"Deleted for good: the catalog {bundle.catalog} with all review decisions, and its models.")
        if not yes:
            ask(f"Delete the catalog {bundle.catalog}?")
        typed = confirm if confirm is not None else typer.prompt("Type the catalog's name to confirm", err=True)
        if typed.strip() != bundle.catalog:
            raise SettingsError(f"'{typed}' is not the catalog's name; nothing was deleted.")
        deployment.erase(bundle, terminal.note)
    terminal.say(f"The catalog {bundle.catalog} and its models are deleted.")
    terminal.result({"target": "local", "deleted": True, "folders": folders})
