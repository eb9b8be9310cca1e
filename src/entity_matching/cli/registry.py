"""``entity-matching models``: the registered versions of the model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid, records
from entity_matching.cli.options import AsJson, Catalog, Home, Target

if TYPE_CHECKING:
    from entity_matching.registry.versions import Version

models = typer.Typer(
    name="models", help="List, compare, promote and roll back the versions of the model.", no_args_is_help=True
)
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who does it (default: the user of this process).", show_default=False),
]


@models.command("list")
def list_versions(catalog: Catalog = None, target: Target = None, home: Home = None, as_json: AsJson = False) -> None:
    """List the versions: which is in force, how good each is, what the gate said; and what was left unfinished."""
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.jobs.models import TRAINING, document, home_of
    from entity_matching.registry.location import RegistryLocation
    from entity_matching.registry.tracking import unfinished_runs
    from entity_matching.registry.versions import Versions

    terminal = Terminal(as_json)
    settings = settings_of(catalog, target, home)
    found: list[Version] = []
    unfinished: list[str] = []
    location = RegistryLocation.of(settings)
    if location.is_there:
        with Versions.open(settings) as versions:
            found, unfinished = versions.all(), unfinished_runs(versions)
    rows = []
    for version in found:
        told = document(home_of(settings) / version.number, TRAINING) or {}
        rows.append(_row(version, (told.get("evaluation") or {}).get("f1") or {}))
    _show(rows, unfinished, location.model, terminal)
    terminal.result({"model": location.model, "versions": rows, "unfinished_runs": unfinished})


@models.command("compare")
def compare(
    challenger: Annotated[
        str,
        typer.Argument(metavar="[MODEL]", help="A version, an alias or a folder (default: the challenger)."),
    ] = "challenger",
    champion: Annotated[
        str, typer.Option("--with", metavar="MODEL", help="What it is compared with, likewise.")
    ] = "champion",
    limit: Annotated[
        int, typer.Option("--records", metavar="N", min=1, help="Records of the last run to decide, at most.")
    ] = 20_000,
    shown: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="Changes to print, at most.")] = 20,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for another run to end.")
    ] = 0.0,
    catalog: Catalog = None,
    target: Target = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show which decisions on the last run's records another version would change.

    They are written to gold.model_comparisons, too, under the run id that is printed.
    """
    from entity_matching.jobs.compare_models import JOB, changed_rows

    terminal = Terminal(as_json)
    given: dict[str, Any] = {
        "champion": champion, "challenger": challenger, "records": limit, "wait": wait,
        "catalog": catalog, "target": target, "home": home,
    }  # fmt: skip
    with terminal.progress() as progress:
        figures = dict(
            JOB.run([f"--{name}={value}" for name, value in given.items() if value is not None], progress=progress)
        )
    from entity_matching.cli.lakehouses import opened, settings_of

    rows: list[dict[str, Any]] = []
    if figures["changed"] and shown:
        with opened(settings_of(catalog, target, home)) as lake:
            rows = changed_rows(lake, figures["run_id"], shown)
    _show_changes(figures, rows, terminal)
    terminal.result({**figures, "rows": rows})


@models.command("promote")
def promote(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A version's number, or 'challenger'.", show_default=False)
    ],
    by: By = None,
    catalog: Catalog = None,
    target: Target = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Put a version in force, whatever the gate said of it."""
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.errors import EntityMatchingError
    from entity_matching.jobs.promotion import promote as put_in_force
    from entity_matching.jobs.promotion import who
    from entity_matching.registry.versions import Versions

    terminal = Terminal(as_json)
    settings = settings_of(catalog, target, home)
    _check_there(settings)
    with Versions.open(settings) as versions:
        number = version
        if not version.isdecimal():
            found = versions.by_alias(version)
            if found is None:
                raise EntityMatchingError(
                    f"No version of {versions.location.model} is called '{version}'.",
                    remedy="Name a version: entity-matching models list",
                )
            number = found.number
        before = put_in_force(versions, settings, number, by=by or who(), at=datetime.now(UTC))
    told = "" if before is None else " (it was in force already)" if before == number else f" in place of {before}"
    terminal.say(f"Version {number} is in force{told}. Records decided by another version: run-pipeline -- --rescore")
    terminal.result({"version": number, "before": before})


@models.command("rollback")
def rollback(
    by: By = None, catalog: Catalog = None, target: Target = None, home: Home = None, as_json: AsJson = False
) -> None:
    """Put the version in force that was so before the present one."""
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.jobs.promotion import rollback as roll_back
    from entity_matching.jobs.promotion import who
    from entity_matching.registry.versions import Versions

    terminal = Terminal(as_json)
    settings = settings_of(catalog, target, home)
    _check_there(settings)
    with Versions.open(settings) as versions:
        before, now = roll_back(versions, settings, by=by or who(), at=datetime.now(UTC))
    terminal.say(f"Version {now} is in force again in place of {before}.")
    terminal.result({"version": now, "before": before})


def _check_there(settings: Any) -> None:
    """Check that there is a registry, without making an empty one.

    :raises EntityMatchingError: if there is none.
    """
    from entity_matching.errors import EntityMatchingError
    from entity_matching.registry.location import RegistryLocation

    location = RegistryLocation.of(settings)
    if not location.is_there:
        raise EntityMatchingError(
            f"No model is registered yet: there is no registry {location.database}.",
            remedy="Train one first: entity-matching run train-ditto-model",
        )


def _row(version: Version, f1: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": version.number,
        "aliases": list(version.aliases),
        "state": version.state,
        "registered_at": version.registered_at.isoformat(timespec="seconds"),
        "f1": f1.get("value"),
        "f1_low": f1.get("low"),
        "f1_high": f1.get("high"),
        "run_id": version.run_id,
        "tags": dict(version.tags),
    }


def _show(rows: list[dict[str, Any]], unfinished: list[str], model: str, terminal: Terminal) -> None:
    if not rows:
        terminal.say("No model is registered yet; train one with 'entity-matching run train-ditto-model'.")
    else:
        table = grid(model, "#version", "alias", "state", "registered (UTC)", "#F1", "gate", "who")
        for row in rows:
            tags = row["tags"]
            f1 = "" if row["f1"] is None else f"{row['f1']:.3f}"
            who = next((tags[name] for name in ("restored_by", "promoted_by") if name in tags), "")
            when = row["registered_at"][:19].replace("T", " ")
            texts = (", ".join(row["aliases"]), row["state"], when, f1, tags.get("reason", ""), who)
            table.add_row(row["version"], *map(escape, texts))
        terminal.show(table)
    for row in rows:
        if row["state"] != "ready":
            terminal.say(f"Version {row['version']} cannot be used: it is {row['state']}.")
    for run in unfinished:
        terminal.say(f"The run {run} was killed before its model was registered; training again repeats it.")


def _show_changes(figures: dict[str, Any], rows: list[dict[str, Any]], terminal: Terminal) -> None:
    one, other = figures["champion"], figures["challenger"]
    terminal.say(
        f"Of {records(figures['records'])} of the run {figures['compared_run']}, version {other} decides"
        f" {figures['changed']:,} otherwise than version {one}."
    )
    if figures["changes"]:
        table = grid(f"From {one} to {other}", "change", "#records")
        for change, number in figures["changes"].items():
            table.add_row(change, f"{number:,}")
        terminal.show(table)
    if rows:
        table = grid("Some of them", "record", one, other, "why")
        for row in rows:
            table.add_row(*(escape(text) for text in (
                f"{row['source_system']} {row['source_id']}",
                *(_decision(row, side) for side in ("champion", "challenger")),
                row["challenger_reason"] or "",
            )))  # fmt: skip
        terminal.show(table)
    if figures["changed"]:
        where = f"run_id = '{figures['run_id']}'"
        terminal.say(f'All of them: entity-matching sql "SELECT * FROM gold.model_comparisons WHERE {where}"')


def _decision(row: dict[str, Any], side: str) -> str:
    entity = row[f"{side}_entity_id"]
    return f"{row[f'{side}_decision']} {'' if entity is None else entity} {row[f'{side}_confidence']:.3f}"
