"""Who may do what with what is deployed, and who is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from entity_matching.deploy.bundle import Bundle, User

_WHO = ("user_name", "group_name", "service_principal_name")
_EVENTS = "email_notifications"


def permission_problems(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield who is named both for everything and for one resource, or twice for one: of two levels one is lost.

    A service principal that is named as a user, too: the platform knows no such user.
    """
    for place, permission in enumerate(bundle.permissions):
        if User(str(permission.get("user_name", ""))).is_service_principal:
            yield (
                f"{bundle.where('permissions', place)}: {permission['user_name']} is a service principal, not a user",
                "Write service_principal_name in place of user_name.",
            )
    everywhere = {_who(permission) for permission in bundle.permissions}
    resources = {("jobs", key): job for key, job in bundle.jobs.items()}
    resources |= {("model_serving_endpoints", key): endpoint for key, endpoint in bundle.endpoints.items()}
    for (kind, key), resource in resources.items():
        seen: set[str] = set()
        for place, permission in enumerate(resource.get("permissions") or []):
            who = _who(permission)
            where = bundle.where("resources", kind, key, "permissions", place)
            if who in everywhere:
                yield (
                    f"{where}: {who} has a permission on {key} beside that on the whole bundle",
                    "Name each at one level; who may manage may also query.",
                )
            elif who in seen:
                yield f"{where}: {who} is named twice", "Keep the higher level."
            seen.add(who)


def notification_problems(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield addresses that are none. On one machine nobody is written to."""
    if bundle.is_local:
        return
    for key, job in bundle.jobs.items():
        for event, addresses in (job.get(_EVENTS) or {}).items():
            for address in addresses if isinstance(addresses, list) else []:
                if not _is_address(str(address)):
                    yield (
                        f"{bundle.where('resources', 'jobs', key, _EVENTS, event)}: '{address}' is no e-mail address",
                        "Give one: --var notification_email=ADDRESS",
                    )
                    return


def _is_address(text: str) -> bool:
    name, at, host = text.partition("@")
    return bool(name and at and host) and "@" not in host and not any(char.isspace() for char in text)


def _who(permission: Mapping[str, Any]) -> str:
    return next((f"{kind.removesuffix('_name')} {permission[kind]}" for kind in _WHO if permission.get(kind)), "")
