"""What is in the workspace already under the name of something that is to be created."""

from __future__ import annotations

from typing import Any

from entity_matching.deploy.databricks_cli import DatabricksCli
from entity_matching.deploy.remembered import Kept
from entity_matching.deploy.steps import ENDPOINTS, JOBS
from entity_matching.errors import EntityMatchingError


def state_of(summary: dict[str, Any]) -> dict[str, str]:
    """Return the ids of all that is deployed, by the keys, from what ``bundle summary`` tells."""
    found = {}
    for kind, members in (summary.get("resources") or {}).items():
        for name, resource in members.items():
            if resource.get("id"):
                found[f"{kind}.{name}"] = str(resource["id"])
    return found


def still_there(cli: DatabricksCli, thing: Kept) -> bool:
    """Say whether what was kept still exists."""
    return (cli.job if thing.key.startswith(f"{JOBS}.") else cli.endpoint)(thing.id) is not None


def pause_status(cli: DatabricksCli, key: str, identifier: str) -> str | None:
    """Return whether a job's schedule is PAUSED or UNPAUSED; ``None`` if it has none."""
    if not key.startswith(f"{JOBS}."):
        return None
    schedule = _schedule(cli, identifier)
    return None if schedule is None else str(schedule.get("pause_status", "UNPAUSED"))


def pause(cli: DatabricksCli, thing: Kept) -> None:
    """Pause the schedule of a job, if it has one that is not paused."""
    if pause_status(cli, thing.key, thing.id) == "UNPAUSED":
        cli.set_schedule(thing.id, {**(_schedule(cli, thing.id) or {}), "pause_status": "PAUSED"})


def own_copy(cli: DatabricksCli, key: str, name: str, user: str, root_path: str) -> Kept | None:
    """Return what exists under a name and is of this deployment, although nothing remembers it.

    A job is, if a bundle at the same place in the workspace made it; an endpoint, if the same user did. Another user's
    job of the same name is no obstacle, since jobs need no names of their own; another's endpoint is.

    :raises EntityMatchingError: if an endpoint of that name is somebody else's, or several jobs are of this deployment.
    """
    if key.startswith(f"{ENDPOINTS}."):
        found = cli.endpoint(name)
        if found is None:
            return None
        if found.get("creator") != user:
            raise EntityMatchingError(
                f"There is an endpoint '{name}' already, made by {found.get('creator', 'somebody else')}.",
                remedy="Deploy to another target, or have it removed.",
            )
        return Kept(key, name, name)
    if not key.startswith(f"{JOBS}."):
        return None
    own = [str(job["job_id"]) for job in cli.jobs_named(name) if _is_own(cli, str(job["job_id"]), root_path)]
    if len(own) > 1:
        raise EntityMatchingError(
            f"There are {len(own)} jobs '{name}' of this deployment: {', '.join(own)}.",
            remedy="Delete all but one in the workspace, then run this again.",
        )
    return Kept(key, own[0], name) if own else None


def _is_own(cli: DatabricksCli, identifier: str, root_path: str) -> bool:
    settings = (cli.job(identifier) or {}).get("settings", {})
    made_by = settings.get("deployment", {}).get("metadata_file_path", "")
    return bool(root_path) and str(made_by).startswith(f"{root_path.rstrip('/')}/")


def _schedule(cli: DatabricksCli, identifier: str) -> dict[str, Any] | None:
    schedule = (cli.job(identifier) or {}).get("settings", {}).get("schedule")
    return dict(schedule) if schedule else None
