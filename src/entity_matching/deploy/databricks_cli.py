"""The Databricks CLI: the one program that reaches a workspace."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from entity_matching.deploy import process
from entity_matching.deploy.user import User
from entity_matching.errors import EntityMatchingError

PROGRAM = "databricks"
OLDEST = (1, 3, 0)
"""First version in which deployments are made without Terraform by default, and saved plans are kept to."""
CARRIES_WHEELS = (1, 19, 0)
"""First version that is sure to upload a wheel when it deploys a saved plan; earlier ones left it out."""
GET_IT = (
    "Get it: brew tap databricks/tap && brew install databricks, winget install Databricks.DatabricksCLI, or see "
    "https://docs.databricks.com/dev-tools/cli/install"
)
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_MISSING = re.compile(r"does not exist|not found|NOT_FOUND|DOES_NOT_EXIST|\b404\b", re.IGNORECASE)
_LONGEST = 1200


class DatabricksCliError(EntityMatchingError):
    """Raised when a command of the Databricks CLI fails; ``output`` is all that it wrote."""

    def __init__(self, message: str, *, remedy: str = "", output: str = "") -> None:
        self.output = output
        super().__init__(message, remedy=remedy)

    @property
    def is_missing(self) -> bool:
        """Whether what was asked for is not there."""
        return _MISSING.search(self.output) is not None


@dataclass(frozen=True)
class DatabricksCli:
    """The program, and what each call of it is given.

    :param program: its path.
    :param version: its version.
    :param root: the folder with ``databricks.yml``.
    :param target: the bundle's target.
    :param environment: of its processes.
    :param variables: of the bundle.
    :param profile: section of the Databricks configuration file; by default what the environment says.
    :param force_lock: whether a lock that a dead deployment left in the workspace is broken.
    """

    program: str
    version: tuple[int, int, int]
    root: Path
    target: str
    environment: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    profile: str | None = None
    force_lock: bool = False

    @classmethod
    def find(cls, root: Path, target: str, environment: Mapping[str, str], **given: Any) -> Self:
        """Return the program that the environment's ``PATH`` leads to.

        :raises DatabricksCliError: if there is none, or it is too old.
        """
        oldest = ".".join(map(str, OLDEST))
        program = shutil.which(PROGRAM, path=environment.get("PATH", os.defpath))
        if program is None:
            raise DatabricksCliError(
                f"The Databricks CLI {oldest} or later is needed, and is not on PATH.", remedy=GET_IT
            )
        try:
            ended = process.run([program, "version"], root, environment)
        except OSError as error:
            raise DatabricksCliError(f"{program} cannot be run ({error.strerror or error}).", remedy=GET_IT) from error
        found = _VERSION.search(ended.out) or _VERSION.search(ended.err)
        version = (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)
        if version < OLDEST:
            has = ".".join(map(str, version)) if found else "of an unknown version"
            raise DatabricksCliError(
                f"The Databricks CLI {oldest} or later is needed; {program} is {has}.", remedy=GET_IT
            )
        return cls(program, version, root, target, environment, **given)

    def user(self) -> User:
        """Return the user that is logged in."""
        found = self._json("current-user", "me")
        return User(str(found["userName"]), str(found.get("displayName", "")))

    def validate(self) -> dict[str, Any]:
        """Check the bundle, and take warnings for errors; return it resolved."""
        return self._bundle_json("validate", "--strict")

    def plan(self) -> str:
        """Return what a deployment would do: the document, as the program wrote it."""
        return self._bundle("plan", "-o", "json").out

    def summary(self) -> dict[str, Any]:
        """Return the bundle resolved, each resource that is deployed with its ``id``."""
        return self._bundle_json("summary", "--force-pull")

    def deploy(self, plan: Path | None, tell: Callable[[str], None]) -> None:
        """Deploy.

        :param plan: a file with the plan to keep to.
        :param tell: takes each line that the program writes.
        """
        arguments = [] if plan is None else ["--plan", str(plan)]
        self._bundle("deploy", "--auto-approve", *arguments, *self._force(), tell=tell)

    def destroy(self, tell: Callable[[str], None]) -> None:
        """Delete all that is deployed, and the bundle's folder in the workspace."""
        self._bundle("destroy", "--auto-approve", *self._force(), tell=tell)

    def bind(self, key: str, identifier: str) -> None:
        """Make a job or endpoint that exists one of the bundle's."""
        self._bundle("deployment", "bind", key.partition(".")[2], identifier, "--auto-approve", *self._force())

    def unbind(self, key: str) -> None:
        """Let go of a job or endpoint, which goes on existing."""
        self._bundle("deployment", "unbind", key.partition(".")[2], *self._force())

    def champion(self, model: str, alias: str) -> str | None:
        """Return the version of a registered model that has an alias; ``None`` if there is none."""
        found = self._optional("model-versions", "get-by-alias", model, alias)
        return None if found is None else str(found["version"])

    def job(self, identifier: str) -> dict[str, Any] | None:
        """Return a job; ``None`` if there is none."""
        return _mapping(self._optional("jobs", "get", identifier))

    def endpoint(self, name: str) -> dict[str, Any] | None:
        """Return a serving endpoint; ``None`` if there is none."""
        return _mapping(self._optional("serving-endpoints", "get", name))

    def jobs_named(self, name: str) -> list[dict[str, Any]]:
        """Return the jobs of a name."""
        found = self._json("jobs", "list", "--name", name)
        return list(found if isinstance(found, list) else found.get("jobs", []))

    def set_schedule(self, identifier: str, schedule: Mapping[str, Any]) -> None:
        """Give a job a schedule."""
        settings = {"job_id": int(identifier), "new_settings": {"schedule": dict(schedule)}}
        self.call("jobs", "update", "--json", json.dumps(settings))

    def call(self, *arguments: str, tell: Callable[[str], None] | None = None) -> process.Ended:
        """Run a command of the program.

        :raises DatabricksCliError: if it fails.
        """
        profile = [] if self.profile is None else ["--profile", self.profile]
        try:
            ended = process.run([self.program, *arguments, *profile], self.root, self.environment, tell)
        except OSError as error:
            raise DatabricksCliError(f"{self.program} cannot be run ({error.strerror or error}).") from error
        if ended.code != 0:
            raise _failed(
                " ".join(word for word in arguments[:3] if not word.startswith(("-", "{"))), ended, self.target
            )
        return ended

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what a command lists; nothing, if what it is to look in is not there."""
        found = self._optional(*arguments)
        return list(found) if isinstance(found, list) else []

    def _bundle(self, *arguments: str, tell: Callable[[str], None] | None = None) -> process.Ended:
        variables = [f"--var={name}={value}" for name, value in sorted(self.variables.items())]
        return self.call("bundle", *arguments, "-t", self.target, *variables, tell=tell)

    def _bundle_json(self, *arguments: str) -> dict[str, Any]:
        return dict(_read(self._bundle(*arguments, "-o", "json").out))

    def _json(self, *arguments: str) -> Any:
        return _read(self.call(*arguments, "-o", "json").out)

    def _optional(self, *arguments: str) -> Any:
        try:
            return self._json(*arguments)
        except DatabricksCliError as error:
            if error.is_missing:
                return None
            raise

    def _force(self) -> list[str]:
        return ["--force-lock"] if self.force_lock else []


def _mapping(found: Any) -> dict[str, Any] | None:
    return None if found is None else dict(found)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DatabricksCliError(
            f"What the Databricks CLI wrote is no JSON: {text.strip()[:80]}",
            remedy="Check its version: databricks version",
        ) from error


_KNOWN: tuple[tuple[str, str, str], ...] = (
    (r"deploy(ment)? lock|force-lock",
     "Another deployment holds the lock in the workspace.",
     "Wait until it has ended; if it was killed, repeat this with --force-lock."),
    (r"does not match (the )?state|state has been modified",
     "The workspace has changed since the plan was made.", "Run it again, and look at the new plan."),
    (r"cannot configure default credentials|default auth|invalid.?(access )?token|unauthenticated|\b401\b|"
     r"refresh token|cannot resolve bundle auth|has not been authenticated|auth login",
     "You are not logged in to the workspace.", "databricks auth login --host ADDRESS"),
    (r"dial tcp|no such host|connection re(fused|set)|i/o timeout|TLS handshake|network is unreachable|unexpected EOF",
     "The workspace cannot be reached.", "Check the network, then run it again: it goes on where it stopped."),
    (r"PERMISSION_DENIED|permission denied|does not have .{0,60}permission|\b403\b",
     "You may not do this in the workspace.", "Ask its administrator for the permissions."),
)  # fmt: skip


def _failed(command: str, ended: process.Ended, target: str) -> DatabricksCliError:
    """Return the error for a command that failed: what it means where that is known, and what the program said."""
    output = f"{ended.err}\n{ended.out}".strip()
    said = "\n".join(line for line in (ended.err.strip() or ended.out.strip()).splitlines() if line.strip())[-_LONGEST:]
    said = said or f"exit code {ended.code}"
    for pattern, meaning, remedy in _KNOWN:
        if re.search(pattern, output, re.IGNORECASE):
            message = f"{meaning} (databricks {command}, target {target}: {said})"
            return DatabricksCliError(message, remedy=remedy, output=output)
    return DatabricksCliError(f"databricks {command} failed for the target {target}:\n{said}", output=output)
