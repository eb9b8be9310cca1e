"""What is deployed to this machine: the resolved jobs and endpoints of a phase, as runs and the schedule read them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from entity_matching.deploy.bundle import LOCAL, Bundle
from entity_matching.deploy.remembered import FOLDER, now
from entity_matching.deploy.whole_file import write_whole
from entity_matching.errors import EntityMatchingError, InputError
from entity_matching.lakehouse.settings import LakehouseSettings

DEPLOY_FIRST = "Deploy first: entity-matching deploy 1 -t local"
PHASE_OF = {"entity_matching_pipeline": 3, "adhoc_entity_matching": 3}
"""Phases that jobs come with which are not there from the first on; only for messages."""
_PORT, _USUAL_PORT = "endpoint_port", 8080
_UNPAUSED = "UNPAUSED"


@dataclass(frozen=True)
class Deployed:
    """What is deployed.

    ``root``: the folder with the bundle's files, in which tasks run. ``scheduled_since``: of each job with a schedule
    that is not paused, since when it has it (UTC, ISO 8601): what was due before was not missed.
    """

    home: Path
    root: Path
    phase: int
    catalog: str
    deployed_at: str
    port: int = _USUAL_PORT
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    scheduled_since: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, bundle: Bundle, home: Path, before: Deployed | None) -> Self:
        """Return what a bundle deploys to a home, in which ``before`` is deployed."""
        moment = now()
        old = {} if before is None else before.jobs
        known = {} if before is None else before.scheduled_since
        same = {key for key in known if schedule_of(old.get(key, {})) == schedule_of(bundle.jobs.get(key, {}))}
        live = {key for key, job in bundle.jobs.items() if schedule_of(job)}
        since = {key: known[key] if key in same else moment for key in sorted(live)}
        port = int(bundle.variables.get(_PORT, _USUAL_PORT))
        return cls(home, bundle.root, bundle.phase, bundle.catalog, moment, port, bundle.jobs, bundle.endpoints, since)

    @classmethod
    def load(cls, home: Path) -> Self | None:
        """Read what is deployed to a home; ``None`` if nothing is.

        :raises InputError: if the file is damaged.
        """
        path = file_of(home)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(home=home, root=Path(data.pop("root")), **data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"cannot be read ({error}).", file=str(path), remedy="Remove it, and deploy again."
            ) from error

    @classmethod
    def find(cls, home: Path) -> Self:
        """Return what is deployed to a home.

        :raises EntityMatchingError: if nothing is.
        """
        found = cls.load(home)
        if found is None:
            raise EntityMatchingError(f"Nothing is deployed to {home}.", remedy=DEPLOY_FIRST)
        return found

    def write(self) -> None:
        """Write it down, whole."""
        data = asdict(self)
        del data["home"]
        write_whole(file_of(self.home), json.dumps(data, indent=1, default=str, ensure_ascii=False) + "\n")

    @property
    def lakehouse(self) -> LakehouseSettings:
        """The catalog of its jobs."""
        return LakehouseSettings(catalog=self.catalog, target=LOCAL, home=self.home)

    @property
    def endpoint_name(self) -> str | None:
        """Name of its endpoint; ``None`` if it has none."""
        return next((str(one.get("name")) for one in self.endpoints.values()), None)

    @property
    def schedules(self) -> dict[str, dict[str, Any]]:
        """The schedules that are not paused, by their jobs."""
        return {key: schedule_of(job) for key, job in self.jobs.items() if schedule_of(job)}

    def job(self, key: str) -> dict[str, Any]:
        """Return the definition of a job.

        :raises EntityMatchingError: if it is not deployed.
        """
        if key in self.jobs:
            return self.jobs[key]
        phase = PHASE_OF.get(key)
        remedy = f"Jobs are: {', '.join(self.jobs)}."
        if phase is not None and phase > self.phase:
            remedy = f"It comes with phase {phase}: entity-matching deploy {phase} -t local"
        raise EntityMatchingError(f"The job '{key}' is not deployed; phase {self.phase} is.", remedy=remedy)


def file_of(home: Path) -> Path:
    """Return the file that tells what is deployed to a home."""
    return home / FOLDER / f"{LOCAL}.bundle.json"


def schedule_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return the schedule of a job; nothing if it has none or it is paused."""
    schedule = job.get("schedule") or {}
    return dict(schedule) if schedule.get("pause_status", _UNPAUSED) == _UNPAUSED else {}
