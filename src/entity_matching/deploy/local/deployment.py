"""The three phases on this machine: prepared, shown, and carried out, like those on Databricks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from entity_matching.deploy import schedule
from entity_matching.deploy.bundle import LOCAL, Bundle
from entity_matching.deploy.lasting import to_remember
from entity_matching.deploy.local import endpoint
from entity_matching.deploy.local.deployed import Deployed, file_of, schedule_of
from entity_matching.deploy.local.records import Runs
from entity_matching.deploy.local.task import tasks_of
from entity_matching.deploy.plan import CREATE, DELETE, SKIP, UPDATE
from entity_matching.deploy.remembered import Kept, Remembered, exclusive, now
from entity_matching.deploy.steps import BIND, ENDPOINTS, JOBS, KEEP, Step
from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import models
from entity_matching.serving.server import Running

Tell = Callable[[str], None]
IGNORED = ("email_notifications", "webhook_notifications", "health", "environments", "job_clusters", "permissions")
"""Parts of a job that only Databricks has; on this machine nothing comes of them."""


@dataclass(frozen=True)
class LocalPlan:
    """A deployment to this machine that only waits for a yes."""

    bundle: Bundle
    steps: tuple[Step, ...]
    allow_delete: bool = False

    @property
    def phase(self) -> int:
        """The phase."""
        return self.bundle.phase

    @property
    def ignored(self) -> list[str]:
        """Names of what the bundle says that has no meaning on this machine."""
        found = {name for job in self.bundle.jobs.values() for name in IGNORED if job.get(name)}
        if self.bundle.permissions:
            found.add("permissions")
        if self.bundle.endpoints:
            found.add("size of the endpoint")
        return sorted(name.replace("_", " ") for name in found)

    @property
    def deleted(self) -> list[Step]:
        """What is deleted."""
        return [step for step in self.steps if step.action == DELETE]


@dataclass
class LocalDeployment:
    """The deployments to this machine, with one home.

    :param root: the folder with the phases' files.
    :param load: gives the bundle of a phase.
    :param environment: of the processes that are started.
    :param variables: what the bundles were given, for the next deployment to have it, too.
    """

    root: Path
    home: Path
    load: Callable[[int], Bundle]
    environment: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    memory: Remembered = field(init=False)

    def __post_init__(self) -> None:
        """Read what is remembered."""
        self.memory = Remembered.load(self.home, LOCAL)

    @contextmanager
    def held(self) -> Iterator[LocalDeployment]:
        """Keep other deployments with this home away while the block runs.

        :raises EntityMatchingError: if another goes on, or the home holds what another folder deployed.
        """
        with exclusive(self.home, LOCAL):
            self.memory = Remembered.load(self.home, LOCAL)
            before = Deployed.load(self.home)
            if before is not None and before.root != self.root and before.root.is_dir():
                raise EntityMatchingError(
                    f"The home {self.home} holds phase {before.phase}, deployed from {before.root}.",
                    remedy="Name another home with --home, or deploy from there; 'entity-matching destroy -t local' "
                    "there lets go of it.",
                )
            yield self

    @property
    def deployed(self) -> Deployed | None:
        """What is deployed now."""
        return Deployed.load(self.home)

    def prepare(self, phase: int, *, allow_delete: bool = False) -> LocalPlan:
        """Find out what the deployment of a phase would do; nothing is changed.

        :param allow_delete: delete what the phase does not have, in place of keeping it aside.
        :raises EntityMatchingError: if the phase before is not deployed, there is no model, or a job cannot be run.
        """
        bundle, before = self.load(phase), self.deployed
        reached = 0 if before is None else max(before.phase, self._kept_phase())
        if phase > reached + 1:
            raise EntityMatchingError(
                f"Phase {phase} comes after phase {phase - 1}, which is not deployed to {self.home}.",
                remedy=f"Deploy phase {reached + 1} first: ./deploy-phase.sh {reached + 1} {LOCAL}",
            )
        for key, job in bundle.jobs.items():
            tasks_of(key, job, lambda *path, key=key: bundle.where("resources", "jobs", key, *path))
        if bundle.endpoints:
            self._check_model(bundle)
        return LocalPlan(bundle, self._steps(bundle, before, allow_delete=allow_delete), allow_delete)

    def check_port(self, bundle: Bundle) -> None:
        """Check that the port of a bundle's endpoint is free, or ours.

        :raises EntityMatchingError: if another program listens there.
        """
        if bundle.endpoints:
            endpoint.check_port(Deployed.of(bundle, self.home, None))

    def carry_out(self, plan: LocalPlan, tell: Tell) -> Deployed:
        """Do what was prepared: write the jobs down, and see to it that endpoint and scheduler run as they should.

        Whatever is interrupted is mended by doing it again.

        :param tell: takes lines that say what is going on.
        """
        before = self.deployed
        self.memory = self.memory.changed(unfinished=plan.phase, variables=to_remember(self.variables))
        for run in Runs(self.home).settle():
            tell(f"The run {run.run_id} of {run.job} was killed; the next one repairs what it left.")
        for step in plan.steps:
            self._remember(step, before)
        deployed = Deployed.of(plan.bundle, self.home, before)
        deployed.write()
        for step in plan.deleted:
            self._delete(step, before, tell)
        if deployed.endpoints:
            answered = endpoint.start(deployed, self.environment, tell)
            state = "answers" if answered.started else "runs already, and answers"
            tell(f"{answered.running.name} {state} at {answered.running.url}: "
                 f"a query took {answered.seconds * 1000:.0f} ms.")  # fmt: skip
        self._schedule(deployed, tell)
        version = models.current(deployed.lakehouse)
        self.memory = self.memory.changed(
            phase=plan.phase, deployed_at=now(), unfinished=None, model_version=version if deployed.endpoints else None
        )
        return deployed

    def destroy(self, tell: Tell) -> None:
        """Stop endpoint and scheduler, and forget the jobs; tables, models and the records of runs stay."""
        deployed = self.deployed
        if schedule.stop(self.home) is not None:
            tell("The scheduler has stopped.")
        if deployed is not None and (stopped := endpoint.stop(deployed)) is not None:
            tell(f"{stopped.name} has stopped.")
        file_of(self.home).unlink(missing_ok=True)
        self.memory.ended()

    def things(self) -> list[str]:
        """Return the names of what :meth:`destroy` removes."""
        deployed = self.deployed
        if deployed is None:
            return []
        jobs = [f"the job {job.get('name', key)}" for key, job in deployed.jobs.items()]
        running = Running.find(endpoint.settings_of(deployed))
        jobs += [] if running is None else [f"the endpoint {running.name} (it is stopped)"]
        jobs += [] if schedule.RunningScheduler.find(self.home) is None else ["the scheduler (it is stopped)"]
        return [*jobs, *(f"{thing.name}, kept aside until now" for thing in self.memory.kept.values())]

    def data(self, bundle: Bundle) -> list[Path]:
        """Return the folders of tables, models and runs, which :meth:`destroy` leaves, as far as they are there."""
        place = Deployed.of(bundle, self.home, None).lakehouse
        folders = [place.warehouse, place.artifacts.parents[1], self.home / "mlflow", Runs(self.home).folder]
        return [folder for folder in folders if folder.exists()]

    def check_erasable(self) -> None:
        """Check that nothing needs tables and models any more.

        :raises EntityMatchingError: if something is still deployed.
        """
        if self.deployed is not None:
            raise EntityMatchingError(
                f"Phase {self.deployed.phase} is still deployed, and needs tables and models.",
                remedy="First: entity-matching destroy -t local",
            )

    def erase(self, bundle: Bundle, tell: Tell) -> None:
        """Delete tables, models and the records of runs, for good.

        :raises EntityMatchingError: if something is still deployed, which needs them.
        """
        self.check_erasable()
        for folder in self.data(bundle):
            tell(f"Deleting {folder}.")
            shutil.rmtree(folder, ignore_errors=True)
        self.memory.forgotten()

    def _kept_phase(self) -> int:
        """Return the highest phase that was deployed before, whose things are kept aside."""
        kept = self.memory.kept
        return 3 if any(key.startswith(f"{JOBS}.") for key in kept) else 2 if kept else 0

    def _check_model(self, bundle: Bundle) -> None:
        place = Deployed.of(bundle, self.home, None).lakehouse
        if models.current(place) is None:
            raise EntityMatchingError(
                f"There is no model registered as {bundle.model_name} with the alias 'champion': "
                "run phase 1's train_ditto_model first.",
                remedy="entity-matching run setup_unity_catalog -t local && "
                "entity-matching run train_ditto_model -t local",
            )

    def _steps(self, bundle: Bundle, before: Deployed | None, *, allow_delete: bool) -> tuple[Step, ...]:
        old = {} if before is None else _things(before.jobs, before.endpoints)
        new = _things(bundle.jobs, bundle.endpoints)
        found = []
        for key, thing in new.items():
            kept = self.memory.kept.get(key)
            action = BIND if kept else CREATE if key not in old else SKIP if old[key] == thing else UPDATE
            detail = f"kept since {kept.since[:10]}" if kept else ""
            found.append(Step(key, action, str(thing.get("name", key)), detail))
        for key in [*old, *(set(self.memory.kept) - set(old))]:
            if key in new or (key not in old and not allow_delete):
                continue
            name = str(old[key].get("name", key)) if key in old else self.memory.kept[key].name
            lost = "it stops answering" if key.startswith(ENDPOINTS) else "its schedule and the records of its runs go"
            keep = "its schedule is paused, its runs stay" if key.startswith(JOBS) else "it goes on answering"
            found.append(Step(key, DELETE if allow_delete else KEEP, name, lost if allow_delete else keep))
        return tuple(found)

    def _remember(self, step: Step, before: Deployed | None) -> None:
        if step.action == KEEP and before is not None:
            kind, _, key = step.key.partition(".")
            job = before.jobs.get(key, {}) if kind == JOBS else {}
            status = ("UNPAUSED" if schedule_of(job) else "PAUSED") if job.get("schedule") else None
            self.memory = self.memory.keeping(Kept(step.key, key, step.name, status, now()))
        elif step.key in self.memory.kept:
            self.memory = self.memory.without(step.key)

    def _delete(self, step: Step, before: Deployed | None, tell: Tell) -> None:
        kind, _, key = step.key.partition(".")
        if kind == ENDPOINTS and before is not None:
            if endpoint.stop(before) is not None:
                tell(f"{step.name} has stopped.")
            return
        for record in Runs(self.home).all(key):
            shutil.rmtree(Runs(self.home).folder_of(record.run_id), ignore_errors=True)

    def _schedule(self, deployed: Deployed, tell: Tell) -> None:
        """See to it that a scheduler runs if there is something to start, and none if not."""
        if deployed.schedules:
            running = schedule.RunningScheduler.find(self.home)
            pid = schedule.start(self.home, self.environment).pid
            tell(f"The scheduler {'runs already' if running else 'has started'} (process {pid}).")
        elif schedule.stop(self.home) is not None:
            tell("The scheduler has stopped: no job has a schedule that is not paused.")


def _things(
    jobs: Mapping[str, dict[str, object]], endpoints: Mapping[str, dict[str, object]]
) -> dict[str, dict[str, object]]:
    found = {f"{JOBS}.{key}": job for key, job in jobs.items()}
    return found | {f"{ENDPOINTS}.{key}": one for key, one in endpoints.items()}
