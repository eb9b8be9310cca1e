"""``entity-matching deploy``: one phase, validated, shown, confirmed and deployed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid
from entity_matching.cli.options import AsJson, Home
from entity_matching.errors import EntityMatchingError, SettingsError

if TYPE_CHECKING:
    from entity_matching.deploy.phases import Deployment
    from entity_matching.deploy.preflight import Check
    from entity_matching.deploy.steps import Prepared, Step

LOCAL = "local"
ALL = "all"

DeployTarget = Annotated[
    str,
    typer.Option("--target", "-t", metavar="TARGET", help="Where to: local, or dev, staging, prod on Databricks."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--var", metavar="NAME=VALUE", help="Value of a variable of the bundle; may be repeated.", show_default=False
    ),
]
DeployProfile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Section of the Databricks configuration file (default: what the environment says).",
        show_default=False,
    ),
]
ForceLock = Annotated[
    bool, typer.Option("--force-lock", help="Break the lock that a killed deployment left in the workspace.")
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root", metavar="DIR", help="Folder with databricks-phase1.yml (default: here or above).", show_default=False
    ),
]


def deploy(
    phase: Annotated[
        str, typer.Argument(metavar="PHASE", help="1, 2 or 3; on the target local also: all.", show_default=False)
    ],
    target: DeployTarget = LOCAL,
    yes: Yes = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done, and stop.")] = False,
    allow_delete: Annotated[
        bool, typer.Option("--allow-delete", help="Delete what the phase does not have, in place of keeping it aside.")
    ] = False,
    var: Variables = None,
    profile: DeployProfile = None,
    force_lock: ForceLock = False,
    root: Root = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Deploy a phase: 1 set-up and training, 2 the endpoint too, 3 the scheduled pipeline too.

    What an earlier phase does not have goes on existing: its schedule is paused, it is remembered, and comes back with
    the later phase.
    """
    from entity_matching.deploy.bundle import PHASES
    from entity_matching.deploy.root_file import find_root

    terminal = Terminal(as_json)
    if phase not in (*map(str, PHASES), ALL):
        raise typer.BadParameter(f"there is no phase '{phase}'. Phases are 1, 2 and 3.", param_hint="'PHASE'")
    folder = find_root((root or Path.cwd()).absolute())
    if target == LOCAL:
        here = {"yes": yes, "plan": plan, "allow_delete": allow_delete, "variables": parsed(var)}
        _deploy_here(phase, folder, home_of(folder, home), terminal, **here)
        return
    if phase == ALL:
        raise SettingsError(
            f"All phases at once can be deployed to the target local only: in {target}, jobs run between them.",
            remedy=f"Begin with: ./deploy-phase.sh 1 {target}",
        )
    if not plan:
        check_can_ask(yes=yes, instead="or --plan to see what would be done")
    deployment = deployment_of(folder, target, parsed(var), profile, home_of(folder, home), force_lock=force_lock)
    with deployment.held():
        _deploy(deployment, int(phase), terminal, yes=yes, plan=plan, allow_delete=allow_delete)


def _deploy(
    deployment: Deployment, phase: int, terminal: Terminal, *, yes: bool, plan: bool, allow_delete: bool
) -> None:
    from entity_matching.deploy.next_steps import next_steps
    from entity_matching.deploy.preflight import checks

    bundle = deployment.bundles.load(phase)
    show_checks(checks(bundle, deployment.file.root), terminal)
    _tell_unfinished(deployment, terminal)
    terminal.note("Validating, and asking the workspace what would change ...")
    prepared = deployment.prepare(phase, allow_delete=allow_delete)
    _show_plan(deployment, prepared, terminal)
    told = {"phase": phase, "target": deployment.cli.target, "model_version": prepared.model_version,
            "steps": [vars(step) for step in prepared.steps]}  # fmt: skip
    if plan:
        terminal.say("Nothing was changed.")
        terminal.result({**told, "deployed": False})
        return
    if not yes:
        ask(_question(deployment, prepared))
    deployment.carry_out(prepared, terminal.note)
    steps = next_steps(bundle)
    terminal.say(f"Phase {phase} is deployed to {deployment.cli.target}. Next:")
    for step in steps:
        terminal.say(f"  {step}")
    terminal.result({**told, "deployed": True, "next": steps})


def deployment_of(
    root: Path, target: str, variables: dict[str, str], profile: str | None, home: Path, *, force_lock: bool
) -> Deployment:
    """Return the deployments to a target of a workspace."""
    from entity_matching.deploy.bundle import read_phase, targets
    from entity_matching.deploy.databricks_cli import DatabricksCli
    from entity_matching.deploy.phase_bundles import PhaseBundles
    from entity_matching.deploy.phases import LAST, Deployment
    from entity_matching.deploy.root_file import RootFile

    known = targets(read_phase(root, LAST)[0])
    if target not in known:
        raise SettingsError(f"There is no target '{target}'.", remedy=f"Targets are {', '.join(known)}.")
    cli = DatabricksCli.find(root, target, os.environ, profile=profile, force_lock=force_lock)
    bundles = PhaseBundles(root, target, variables, os.environ, cli.user())
    return Deployment(cli, RootFile(root), home, bundles)


def home_of(root: Path, home: Path | None) -> Path:
    """Return the home: that which is named, that of the environment, or the root's."""
    from entity_matching.lakehouse.settings import DEFAULT_HOME, HOME_VARIABLE

    named = home or os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser().absolute() if named else root / DEFAULT_HOME


def parsed(given: list[str] | None) -> dict[str, str]:
    """Return variables that were given as ``NAME=VALUE``."""
    found = {}
    for item in given or []:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"'{item}': expected NAME=VALUE.", param_hint="'--var'")
        found[name.strip()] = value
    return found


def check_can_ask(*, yes: bool, instead: str) -> None:
    """Refuse to go on where nobody can be asked, and nobody said yes.

    :raises SettingsError: if that is so.
    """
    if not yes and not sys.stdin.isatty():
        raise SettingsError("There is no terminal to ask at.", remedy=f"Say so with --yes, {instead}.")


def ask(question: str) -> None:
    """Ask, and end the command if the answer is no."""
    if not typer.confirm(question, err=True):
        Terminal().note("Nothing was changed.")
        raise typer.Exit(1)


def show_checks(found: list[Check], terminal: Terminal) -> None:
    """Print what was checked.

    :raises EntityMatchingError: if something is wrong.
    """
    for check in found:
        terminal.note(f"{'ok    ' if check.ok else 'WRONG '} {check.name}: {check.message}")
    wrong = [check for check in found if not check.ok]
    if wrong:
        raise EntityMatchingError(
            "; ".join(f"{check.name}: {check.message}" for check in wrong),
            remedy=" ".join(check.remedy for check in wrong if check.remedy),
        )


def show_steps(title: str, steps: tuple[Step, ...], terminal: Terminal) -> None:
    """Print what happens to each thing."""
    table = grid(title, "", "", "name", "")
    for step in steps:
        table.add_row(step.word, step.kind, escape(step.name), escape(step.detail))
    terminal.show(table)


def _show_plan(deployment: Deployment, prepared: Prepared, terminal: Terminal) -> None:
    memory = deployment.memory
    now = "" if memory.phase is None else f" (deployed now: phase {memory.phase})"
    show_steps(f"Phase {prepared.phase} on {deployment.cli.target}{now}", prepared.steps, terminal)
    if prepared.model_version is not None:
        terminal.say(f"The endpoint serves version {prepared.model_version} of the model.")
    if prepared.keep:
        terminal.say("What this phase does not have goes on existing, paused, until a later phase takes it back.")
    for thing in prepared.bind:
        if thing.pause_status == "UNPAUSED":
            terminal.say(f"{thing.name} was running by its schedule; now the variable pipeline_pause_status rules.")


def _question(deployment: Deployment, prepared: Prepared) -> str:
    lost = prepared.deleted
    before = f"{len(lost)} {'thing is' if len(lost) == 1 else 'things are'} deleted for good. " if lost else ""
    return f"{before}Deploy phase {prepared.phase} to {deployment.cli.target}?"


def _tell_unfinished(deployment: Deployment, terminal: Terminal) -> None:
    if deployment.memory.unfinished is not None:
        terminal.note("The last deployment to this target did not end well; this one goes on from there.")


def _deploy_here(phase: str, root: Path, home: Path, terminal: Terminal, **given: Any) -> None:
    """Deploy to this machine."""
    from entity_matching.cli.deploy_local import deploy_all, deploy_here

    if phase == ALL:
        deploy_all(root, home, terminal, **given)
    else:
        deploy_here(int(phase), root, home, terminal, **given)
