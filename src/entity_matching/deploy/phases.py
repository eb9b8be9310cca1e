"""One phase deployed to a Databricks workspace: prepared, shown, and carried out exactly as shown."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from entity_matching.deploy.bundle import PHASES
from entity_matching.deploy.databricks_cli import CARRIES_WHEELS, DatabricksCli
from entity_matching.deploy.found import own_copy, pause, pause_status, state_of, still_there
from entity_matching.deploy.lasting import to_remember
from entity_matching.deploy.phase_bundles import PhaseBundles
from entity_matching.deploy.plan import CREATE, DELETE, RECREATE, SKIP, UPDATE, Plan
from entity_matching.deploy.remembered import FOLDER, Kept, Remembered, exclusive, now
from entity_matching.deploy.root_file import RootFile
from entity_matching.deploy.steps import Prepared, steps_of
from entity_matching.deploy.whole_file import write_whole
from entity_matching.errors import EntityMatchingError
from entity_matching.registry.location import CHAMPION

log = logging.getLogger(__name__)

LAST = PHASES[-1]


@dataclass
class Deployment:
    """The deployments to one target, while one process has them to itself.

    :param cli: the program that reaches the workspace.
    :param file: the root's ``databricks.yml``.
    :param home: where is remembered what was deployed.
    :param bundles: those of the phases.
    """

    cli: DatabricksCli
    file: RootFile
    home: Path
    bundles: PhaseBundles
    memory: Remembered = field(init=False)

    def __post_init__(self) -> None:
        """Read what is remembered."""
        self.memory = Remembered.load(self.home, self.cli.target)

    @contextmanager
    def held(self) -> Iterator[Deployment]:
        """Keep other deployments away while the block runs; ``databricks.yml`` is put back unless one succeeded."""
        with exclusive(self.home, self.cli.target), self.file.held():
            self.memory = Remembered.load(self.home, self.cli.target)
            yield self

    def state(self) -> tuple[dict[str, str], str]:
        """Return the ids of all that is deployed by their keys, and the bundle's folder in the workspace."""
        summary = self.show(LAST).summary()
        return state_of(summary), str(summary.get("workspace", {}).get("root_path", ""))

    def prepare(self, phase: int, *, allow_delete: bool = False) -> Prepared:
        """Check a phase against the workspace and find out what its deployment would do; nothing is changed.

        :param allow_delete: delete what the phase does not have, in place of keeping it aside.
        :raises EntityMatchingError: if the phase before it is not deployed, there is no model, the bundle is not valid,
            or something would be deleted that may not be.
        """
        state, root_path = self.state()
        self._check_order(phase, state)
        version = self._model_version(phase)
        cli = self.show(phase, version)
        cli.validate()
        plan = Plan.parse(cli.plan())
        names = self.bundles.names(LAST)
        keep = {} if allow_delete else {key: self._kept(key, state, names) for key in plan.keys(DELETE)}
        bind = self._to_bind(plan, names, root_path)
        old = [thing for key, thing in self.memory.kept.items() if key not in plan.changes and allow_delete]
        condemned = {thing.key: thing for thing in old if still_there(cli, thing)}
        steps = steps_of(plan, names, keep, bind, condemned)
        things = (tuple(found.values()) for found in (keep, bind, condemned))
        prepared = Prepared(phase, plan, steps, version, *things)
        if prepared.deleted and not allow_delete:
            raise EntityMatchingError(
                f"This would delete {', '.join(step.name for step in prepared.deleted)}, and make it anew.",
                remedy="If that is meant, repeat it with --allow-delete.",
            )
        return prepared

    def carry_out(self, prepared: Prepared, tell: Callable[[str], None]) -> Remembered:
        """Do what was prepared, and nothing else.

        :param tell: takes lines that say what is going on.
        :raises EntityMatchingError: if something fails, or the workspace has changed since. What was done until then is
            remembered, so that running it again goes on from there.
        """
        phase = prepared.phase
        self.memory = self.memory.changed(unfinished=phase, variables=to_remember(self.bundles.given))
        for thing in prepared.keep:
            self._let_go(thing, tell)
        for thing in prepared.condemned:
            self.take_back(thing, LAST, tell)
        for thing in prepared.bind:
            self.take_back(thing, phase, tell)
        cli = self.show(phase, prepared.model_version)
        plan = prepared.plan
        # where a saved plan would leave the wheel out, a new one that does the same is deployed at once
        keeps_to_plan = cli.version >= CARRIES_WHEELS and not self.bundles.renames_wheel(phase)
        if prepared.moved or not keeps_to_plan:
            plan = Plan.parse(cli.plan())
            _check_unchanged(prepared, plan)
        path = self.home / FOLDER / f"{cli.target}.plan.json"
        write_whole(path, plan.document)
        try:
            cli.deploy(path if keeps_to_plan else None, tell)
        finally:
            path.unlink(missing_ok=True)
        self.file.keep()
        gone = [*self.bundles.names(phase), *(thing.key for thing in prepared.condemned)]
        self.memory = self.memory.without(*gone).changed(
            phase=phase, deployed_at=now(), unfinished=None, model_version=prepared.model_version
        )
        return self.memory

    def show(self, phase: int, version: str | None = None) -> DatabricksCli:
        """Let ``databricks.yml`` be that of a phase, and return the program with its variables."""
        self.file.show(phase)
        return replace(self.cli, variables=self.bundles.variables(phase, version))

    def _check_order(self, phase: int, state: Mapping[str, str]) -> None:
        """Refuse a phase whose predecessor is not there."""
        for earlier in PHASES[: PHASES.index(phase)]:
            missing = [name for key, name in self.bundles.names(earlier).items()
                       if key not in state and key not in self.memory.kept]  # fmt: skip
            if missing:
                raise EntityMatchingError(
                    f"Phase {phase} comes after phase {earlier}, of which there is not in {self.cli.target}: "
                    f"{', '.join(missing)}.",
                    remedy=f"Deploy phase {earlier} first: ./deploy-phase.sh {earlier} {self.cli.target}",
                )

    def _model_version(self, phase: int) -> str | None:
        """Return the version that the endpoint is to serve: that which was given, else the champion's."""
        bundle = self.bundles.load(phase)
        if not bundle.endpoints:
            return None
        if self.bundles.given_version is not None:
            return self.bundles.given_version
        model = bundle.model_name
        version = self.cli.champion(model, CHAMPION)
        if version is None:
            raise EntityMatchingError(
                f"There is no model registered as {model} with the alias '{CHAMPION}': "
                "run phase 1's train_ditto_model first.",
                remedy=f"entity-matching run train_ditto_model -t {self.cli.target}",
            )
        return version

    def _kept(self, key: str, state: Mapping[str, str], names: Mapping[str, str]) -> Kept:
        if key not in state or key not in names:
            raise EntityMatchingError(
                f"{key} is deployed, but is no part of any phase, so that it cannot be kept aside.",
                remedy="Repeat it with --allow-delete if it is to be deleted.",
            )
        status = pause_status(self.cli, key, state[key])
        return Kept(key, state[key], names.get(key, key), status, now())

    def _to_bind(self, plan: Plan, names: Mapping[str, str], root_path: str) -> dict[str, Kept]:
        """Return what the plan would create although it exists."""
        found = {}
        for key in plan.keys(CREATE):
            thing = self.memory.kept.get(key)
            if thing is not None and not still_there(self.cli, thing):
                log.warning("%s, which was kept, is not there any more; a new one is made.", thing.name)
                thing = None
            thing = thing or own_copy(self.cli, key, names.get(key, key), self.bundles.user.name, root_path)
            if thing is not None:
                found[key] = thing
        return found

    def _let_go(self, thing: Kept, tell: Callable[[str], None]) -> None:
        """Pause and unbind, remembered before either, so that a kill in between loses nothing."""
        self.memory = self.memory.keeping(thing)
        tell(f"Keeping {thing.name} aside ({thing.id}).")
        pause(self.cli, thing)
        self.show(LAST).unbind(thing.key)

    def take_back(self, thing: Kept, phase: int, tell: Callable[[str], None]) -> None:
        """Bind a thing that exists; it stays remembered as kept until a deployment has succeeded with it."""
        self.memory = self.memory.keeping(thing)
        tell(f"Taking {thing.name} back ({thing.id}).")
        self.show(phase).bind(thing.key, thing.id)


def _check_unchanged(prepared: Prepared, plan: Plan) -> None:
    """Refuse to deploy a plan that does anything that was not shown."""
    wanted: dict[str, tuple[str, ...]] = {thing.key: (SKIP, UPDATE) for thing in prepared.bind}
    wanted |= {thing.key: (DELETE,) for thing in prepared.condemned}
    wanted |= {thing.key: (SKIP,) for thing in prepared.keep}
    other = plan.differs(prepared.plan, prepared.moved)
    for key, actions in wanted.items():
        action = plan.changes[key].action if key in plan.changes else SKIP
        if action not in actions:
            other.append(f"{key} ({'replace' if action == RECREATE else action})")
    if other:
        raise EntityMatchingError(
            f"The workspace has changed since the plan was shown: {', '.join(other)}.",
            remedy="Run it again, and look at the new plan.",
        )
