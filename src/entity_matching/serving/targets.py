"""Endpoints by their target: that of this machine, that of an address, that of a Databricks workspace."""

from __future__ import annotations

import configparser
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entity_matching.errors import EntityMatchingError, OptionalDependencyError
from entity_matching.lakehouse.settings import LOCAL
from entity_matching.serving.client import Client, EndpointError
from entity_matching.serving.server import Running
from entity_matching.serving.settings import ServingSettings

TOKEN_VARIABLE = "ENTITY_MATCHING_TOKEN"
"""Environment variable that holds the token for an endpoint of ours."""
COLD_START = 600.0
"""Seconds for which an endpoint on Databricks is tried that was scaled to zero."""
LOOK_EVERY = 2.0
"""Seconds between two looks at an endpoint that is waited for."""
READY, OUTDATED, STARTING, STOPPED = "ready", "outdated", "starting", "stopped"
_CONFIG_VARIABLE = "DATABRICKS_CONFIG_FILE"


@dataclass(frozen=True)
class Place:
    """Where an endpoint is.

    :param target: ``local``, or that of a deployment to Databricks: dev, staging, prod.
    :param settings: of the endpoint on this machine.
    :param url: address of an endpoint of ours elsewhere.
    :param profile: section of the Databricks configuration file; by default that of the target's name, if there is
        one, else what the environment says.
    """

    target: str
    settings: ServingSettings
    url: str | None = None
    profile: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is one of ours, here or at an address, and not on Databricks."""
        return self.target == LOCAL or self.url is not None

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.settings.name if self.target == LOCAL else f"ditto-em-{self.target}"

    def client(self, environment: Mapping[str, str], tell: Callable[[str], None]) -> Client:
        """Return a client of it.

        :raises EntityMatchingError: if it does not run, or there is no way to log in.
        """
        if not self.is_local:
            config = self._workspace(environment).config
            return Client(self.name, str(config.host), config.authenticate, patience=COLD_START, tell=tell)
        token = environment.get(TOKEN_VARIABLE, "")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return Client(self.name, self._address(), lambda: headers, tell=tell)

    def status(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """Return what is known of it: ``name``, ``status`` (ready, outdated, starting, stopped, ...) and more.

        :raises EntityMatchingError: if it cannot be asked.
        """
        if not self.is_local:
            return _on_databricks(self.name, self._workspace(environment))
        if self.url is not None:
            return {"name": self.name, "url": self.url, **_told(Client(self.name, self.url, timeout=10.0))}
        running = Running.find(self.settings)
        if running is None:
            return {"name": self.name, "status": STOPPED}
        known = {"name": self.name, "url": running.url, "pid": running.pid, "workers": running.workers,
                 "since": running.since, "log": running.log}  # fmt: skip
        return known | _told(Client(self.name, running.url, timeout=10.0))

    def wait(self, environment: Mapping[str, str], timeout: float, tell: Callable[[str], None]) -> dict[str, Any]:
        """Wait until it is ready, and return its status.

        :raises EndpointError: if it is not ready in time, or has failed for good.
        """
        until = time.monotonic() + timeout
        before = None
        while True:
            found = self.status(environment)
            if found["status"] in (READY, OUTDATED):
                return found
            if found["status"] == "failed":
                raise EndpointError(f"{self.name} has failed to deploy.", remedy="Its page in the workspace tells why.")
            if time.monotonic() >= until:
                raise EndpointError(
                    f"{self.name} is {found['status']}; it was waited for {timeout:g} s.",
                    remedy="Wait longer with --timeout, or see its log.",
                )
            if found["status"] != before:
                tell(f"{self.name} is {found['status']}; waiting for at most {timeout:g} s.")
            before = found["status"]
            time.sleep(min(LOOK_EVERY, max(0.0, until - time.monotonic())))

    def _address(self) -> str:
        if self.url is not None:
            return self.url
        running = Running.find(self.settings)
        if running is None:
            raise EndpointError(
                f"The endpoint '{self.name}' does not run on this machine.",
                remedy="Start it: entity-matching endpoint start (or name its address with --url).",
            )
        return running.url

    def _workspace(self, environment: Mapping[str, str]) -> Any:
        try:
            from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - optional
        except ImportError as error:
            raise OptionalDependencyError("databricks-sdk", extra="databricks", needed_for="Databricks") from error
        profile = self.profile or (self.target if self.target in _profiles(environment) else None)
        try:
            return WorkspaceClient(profile=profile)
        except ValueError as error:  # what the SDK raises of a configuration
            raise EntityMatchingError(
                f"There is no way to log in to Databricks: {str(error).splitlines()[0]}",
                remedy=f"databricks auth login --profile {profile or self.target}",
            ) from error


def _told(client: Client) -> dict[str, Any]:
    """Return what an endpoint of ours tells of itself."""
    try:
        return client.ready()
    except EndpointError as error:
        return {"status": STARTING if error.status in (0, 503) else "failed", "problem": error.message}


def _on_databricks(name: str, workspace: Any) -> dict[str, Any]:
    from databricks.sdk.errors import NotFound, PermissionDenied  # noqa: PLC0415 - optional
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415

    try:
        found = workspace.serving_endpoints.get(name)
    except NotFound as error:
        raise EndpointError(
            f"There is no endpoint '{name}' in {workspace.config.host}.",
            remedy="It comes with phase 2 of the deployment.",
            status=404,
        ) from error
    except PermissionDenied as error:
        raise EndpointError(
            f"You may not look at the endpoint '{name}': {error}", remedy="Ask for CAN_VIEW.", status=403
        ) from error
    except (DatabricksError, OSError) as error:
        raise EndpointError(
            f"The endpoint '{name}' cannot be asked for: {error}", remedy="Check your login."
        ) from error
    state = found.state
    ready = state is not None and getattr(state.ready, "value", None) == "READY"
    update = getattr(getattr(state, "config_update", None), "value", None)
    status = "failed" if update == "UPDATE_FAILED" and not ready else READY if ready else STARTING
    served = getattr(getattr(found, "config", None), "served_entities", None) or []
    versions = ", ".join(str(entity.entity_version) for entity in served if entity.entity_version)
    return {"name": name, "url": str(workspace.config.host), "status": status, "update": update,
            "model_version": versions or None}  # fmt: skip


def _profiles(environment: Mapping[str, str]) -> list[str]:
    """Return the sections of the Databricks configuration file; none if there is no such file."""
    path = Path(environment.get(_CONFIG_VARIABLE) or Path.home() / ".databrickscfg").expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return []
    return parser.sections()
