"""What the Databricks CLI says a deployment will do: the document of ``databricks bundle plan -o json``."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Self

from entity_matching.errors import EntityMatchingError

SKIP, CREATE, UPDATE, RECREATE, DELETE = "skip", "create", "update", "recreate", "delete"
_PREFIX = "resources."
_ACTIONS = {"": SKIP, "resize": UPDATE, "update_id": UPDATE}
_KNOWN = {SKIP, CREATE, UPDATE, RECREATE, DELETE}


@dataclass(frozen=True)
class Change:
    """What happens to one job or endpoint; what it is allowed and granted counts as part of it.

    ``key``: ``jobs.KEY`` or ``model_serving_endpoints.KEY``. ``action``: skip, create, update, recreate or delete.
    ``fields``: names of what changes.
    """

    key: str
    action: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A plan, and the document it was read from, which is to be deployed as it is."""

    document: str
    changes: dict[str, Change] = field(default_factory=dict)

    @classmethod
    def parse(cls, document: str) -> Self:
        """Read a plan.

        :raises EntityMatchingError: if it is none, or has an action that is not known here: what that would do cannot
            be told then.
        """
        try:
            entries = json.loads(document).get("plan") or {}
            changes: dict[str, Change] = {}
            for key, entry in sorted(entries.items()):
                _take(changes, key.removeprefix(_PREFIX), entry)
        except (ValueError, AttributeError, TypeError) as error:
            raise EntityMatchingError(
                f"The plan of the Databricks CLI cannot be read ({error}).",
                remedy="Check its version: databricks version",
            ) from error
        return cls(document, changes)

    def keys(self, *actions: str) -> list[str]:
        """Return the keys of what has one of some actions."""
        return [change.key for change in self.changes.values() if change.action in actions]

    def differs(self, other: Plan, apart_from: Collection[str] = ()) -> list[str]:
        """Return the keys of what another plan would do something else to; some are not looked at."""
        keys = sorted({*self.changes, *other.changes} - set(apart_from))
        return [key for key in keys if self._action(key) != other._action(key)]

    def _action(self, key: str) -> str:
        return self.changes[key].action if key in self.changes else SKIP


def _take(changes: dict[str, Change], path: str, entry: dict[str, Any]) -> None:
    kind, name, *child = path.split(".")
    key = f"{kind}.{name}"
    action = _ACTIONS.get(entry.get("action", ""), entry.get("action", ""))
    if action not in _KNOWN:
        raise TypeError(f"the action '{action}' of {path} is unknown")
    if action == DELETE and (entry.get("gone") or entry.get("state_only")):
        return  # it is gone already: only the state forgets it
    if child:
        action = UPDATE if action != SKIP else SKIP
        fields = (".".join(child),) if action == UPDATE else ()
        before = changes.get(key, Change(key, SKIP))
        if before.action in (SKIP, UPDATE):
            worst = UPDATE if UPDATE in (before.action, action) else SKIP
            changes[key] = Change(key, worst, (*before.fields, *fields))
        return
    named = tuple(name for name, change in (entry.get("changes") or {}).items() if change.get("action") != SKIP)
    changes[key] = Change(key, action, named)
