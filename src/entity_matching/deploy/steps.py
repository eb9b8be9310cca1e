"""What a deployment will do to each job and endpoint, in words, before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from entity_matching.deploy.plan import CREATE, DELETE, RECREATE, SKIP, UPDATE, Plan
from entity_matching.deploy.remembered import Kept

JOBS, ENDPOINTS = "jobs", "model_serving_endpoints"
BIND, KEEP = "bind", "keep"
WORDS = {
    CREATE: "create", UPDATE: "change", SKIP: "unchanged", BIND: "take back", KEEP: "keep aside", DELETE: "DELETE",
    RECREATE: "DELETE, create",
}  # fmt: skip
_ORDER = [DELETE, RECREATE, KEEP, BIND, CREATE, UPDATE, SKIP]
_FIELDS = 4
"""Names of changed fields that are shown."""
_LOST = {
    JOBS: "its schedule and the history of its runs are lost",
    ENDPOINTS: "it stops answering, its address and its metrics are lost",
}


@dataclass(frozen=True)
class Step:
    """What happens to one thing: ``action`` is that of a plan, or ``bind`` or ``keep``; ``name`` is for people."""

    key: str
    action: str
    name: str
    detail: str = ""

    @property
    def word(self) -> str:
        """The action in words."""
        return WORDS[self.action]

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return kind_of(self.key)


@dataclass(frozen=True)
class Prepared:
    """A deployment that only waits for a yes.

    ``keep``: what is paused, unbound and remembered. ``bind``: what is bound again. ``condemned``: what was kept until
    now, and is deleted.
    """

    phase: int
    plan: Plan
    steps: tuple[Step, ...]
    model_version: str | None = None
    keep: tuple[Kept, ...] = ()
    bind: tuple[Kept, ...] = ()
    condemned: tuple[Kept, ...] = ()

    @property
    def moved(self) -> set[str]:
        """Keys of what is bound or unbound before the deployment, so that the plan changes for them."""
        return {thing.key for thing in (*self.keep, *self.bind, *self.condemned)}

    @property
    def deleted(self) -> list[Step]:
        """What is deleted, or replaced by a new one."""
        return [step for step in self.steps if step.action in (DELETE, RECREATE)]

    @property
    def changes_nothing(self) -> bool:
        """Whether all is as it should be already."""
        return all(step.action == SKIP for step in self.steps)


def kind_of(key: str) -> str:
    """Return what a key is of, in words."""
    return {JOBS: "job", ENDPOINTS: "endpoint"}.get(key.partition(".")[0], key.partition(".")[0])


def lost_with(key: str) -> str:
    """Return what is lost when a thing is deleted."""
    return _LOST.get(key.partition(".")[0], "it is lost")


def steps_of(
    plan: Plan,
    names: Mapping[str, str],
    keep: Mapping[str, Kept],
    bind: Mapping[str, Kept],
    condemned: Mapping[str, Kept],
) -> tuple[Step, ...]:
    """Return what happens to each thing, the worst first.

    :param names: what the things are called, by their keys.
    :param keep: of what the plan deletes, what is kept.
    :param bind: of what the plan creates, what is bound instead.
    :param condemned: what is deleted although the plan does not know it.
    """
    steps = []
    for change in plan.changes.values():
        thing = keep.get(change.key) or bind.get(change.key)
        name = names.get(change.key) or (thing.name if thing else change.key)
        if change.key in keep:
            steps.append(Step(change.key, KEEP, name, _kept(keep[change.key])))
        elif change.key in bind:
            since = f" kept since {bind[change.key].since[:10]}" if bind[change.key].since else ""
            steps.append(Step(change.key, BIND, name, f"{bind[change.key].id}{since}: no second copy"))
        else:
            steps.append(Step(change.key, change.action, name, _detail(change.key, change.action, change.fields)))
    for thing in condemned.values():
        steps.append(Step(thing.key, DELETE, thing.name, f"kept until now; {lost_with(thing.key)}"))
    return tuple(sorted(steps, key=lambda step: (_ORDER.index(step.action), step.key)))


def _kept(thing: Kept) -> str:
    paused = "paused, " if thing.pause_status == "UNPAUSED" else ""
    return f"goes on existing ({paused}let go, remembered)"


def _detail(key: str, action: str, fields: tuple[str, ...]) -> str:
    if action == DELETE:
        return lost_with(key)
    if action == RECREATE:
        return f"{', '.join(fields[:_FIELDS])}: cannot be changed in place; {lost_with(key)}".removeprefix(": ")
    more = f" and {len(fields) - _FIELDS} more" if len(fields) > _FIELDS else ""
    return ", ".join(fields[:_FIELDS]) + more
