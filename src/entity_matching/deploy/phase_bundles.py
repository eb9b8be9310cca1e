"""The bundles of the three phases, and the variables that the Databricks CLI is given for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from entity_matching.deploy.bundle import Bundle, User, load
from entity_matching.deploy.steps import ENDPOINTS, JOBS
from entity_matching.deploy.variables import PREFIX

MODEL_VERSION = "model_version"
"""Variable of the phases with an endpoint: the version of the model that this serves."""
NO_VERSION = "0"
"""Its value where nothing that is deployed reads it."""


@dataclass
class PhaseBundles:
    """The bundles of one folder and target.

    :param root: the folder.
    :param target: the bundle's target.
    :param given: values of variables.
    :param environment: whose variables, too, may give values.
    :param user: who deploys.
    """

    root: Path
    target: str
    given: Mapping[str, str]
    environment: Mapping[str, str]
    user: User
    _loaded: dict[int, Bundle] = field(default_factory=dict)

    @property
    def given_version(self) -> str | None:
        """The version of the model that was asked for; ``None`` if the champion is meant."""
        return self.given.get(MODEL_VERSION) or self.environment.get(PREFIX + MODEL_VERSION) or None

    def load(self, phase: int) -> Bundle:
        """Return the bundle of a phase.

        :raises EntityMatchingError: if it is not valid.
        """
        if phase not in self._loaded:
            values = {**self.given, MODEL_VERSION: self.given_version or NO_VERSION}
            self._loaded[phase] = load(
                self.root, phase, self.target, variables=values, user=self.user, environment=self.environment
            )
        return self._loaded[phase]

    def names(self, phase: int) -> dict[str, str]:
        """Return what the jobs and endpoints of a phase are called, by their keys."""
        bundle = self.load(phase)
        jobs = {f"{JOBS}.{key}": str(job.get("name", key)) for key, job in bundle.jobs.items()}
        return jobs | {f"{ENDPOINTS}.{key}": str(found.get("name", key)) for key, found in bundle.endpoints.items()}

    def renames_wheel(self, phase: int) -> bool:
        """Say whether the Databricks CLI gives the wheel a new name at each build.

        A saved plan has the name, but the program does not upload the wheel under it when it deploys that plan.
        """
        artifacts = self.load(phase).tree.get("artifacts")
        flags = [node.get("dynamic_version") for node in (artifacts.value if artifacts else {}).values()]
        return any(flag is not None and flag.value is True for flag in flags)

    def variables(self, phase: int, version: str | None) -> dict[str, str]:
        """Return the values that the Databricks CLI is to be given for a phase: of what that declares, and no more.

        :param version: of the model.
        """
        values = {**self.given, MODEL_VERSION: version or self.given_version or NO_VERSION}
        declared = self.load(phase).variables
        return {name: value for name, value in values.items() if name in declared}
