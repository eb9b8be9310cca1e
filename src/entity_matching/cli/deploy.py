"""``entity-matching deploy``: one phase, validated, shown, confirmed and deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from entity_matching.cli.console import Terminal
from entity_matching.cli.deploying import (
    LOCAL,
    DeployProfile,
    DeployTarget,
    ForceLock,
    ForgetVars,
    Root,
    Site,
    Variables,
    Yes,
    ask,
    check_can_ask,
    show_checks,
    show_steps,
)
from entity_matching.cli.options import AsJson, Home
from entity_matching.errors import SettingsError

if TYPE_CHECKING:
    from entity_matching.deploy.phases import Deployment
    from entity_matching.deploy.steps import Prepared

ALL = "all"


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
    forget_vars: ForgetVars = False,
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

    terminal = Terminal(as_json)
    if phase not in (*map(str, PHASES), ALL):
        raise typer.BadParameter(f"there is no phase '{phase}'. Phases are 1, 2 and 3.", param_hint="'PHASE'")
    site = Site.of(terminal, target, root, home, var=var, profile=profile).forgetful(forget_vars)
    if target == LOCAL:
        _deploy_here(phase, site, yes=yes, plan=plan, allow_delete=allow_delete)
        return
    if phase == ALL:
        raise SettingsError(
            f"All phases at once can be deployed to the target local only: in {target}, jobs run between them.",
            remedy=f"Begin with: ./deploy-phase.sh 1 {target}",
        )
    if not plan:
        check_can_ask(yes=yes, instead="or --plan to see what would be done")
    deployment = site.there(force_lock=force_lock)
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


def _deploy_here(phase: str, site: Site, *, yes: bool, plan: bool, allow_delete: bool) -> None:
    """Deploy to this machine."""
    from entity_matching.cli.deploy_local import deploy_all, deploy_here

    if phase == ALL:
        deploy_all(site, yes=yes, plan=plan, allow_delete=allow_delete)
    else:
        deploy_here(int(phase), site, yes=yes, plan=plan, allow_delete=allow_delete)
