from __future__ import annotations

import json
from typing import Any

import pytest

from entity_matching.deploy.plan import Plan
from entity_matching.errors import EntityMatchingError


def plan(**entries: Any) -> Plan:
    """Return a plan of some jobs' actions; ``__`` in a name stands for a full stop."""
    named = {f"resources.jobs.{name.replace('__', '.')}": entry for name, entry in entries.items()}
    full = {key: {"action": entry} if isinstance(entry, str) else entry for key, entry in named.items()}
    return Plan.parse(json.dumps({"plan_version": 2, "serial": 3, "plan": full}))


def test_actions_by_their_keys() -> None:
    found = plan(a="create", b="delete", c="skip", d="resize", e="recreate")
    assert {key: change.action for key, change in found.changes.items()} == {
        "jobs.a": "create", "jobs.b": "delete", "jobs.c": "skip", "jobs.d": "update", "jobs.e": "recreate",
    }  # fmt: skip
    assert found.keys("create", "delete") == ["jobs.a", "jobs.b"]


def test_permissions_are_part_of_their_thing() -> None:
    assert plan(a="skip", a__permissions="update").changes["jobs.a"].action == "update"
    assert plan(a="skip", a__permissions="update").changes["jobs.a"].fields == ("permissions",)
    assert plan(a="create", a__permissions="create").changes["jobs.a"].action == "create"
    assert plan(a="delete", a__permissions="delete").changes["jobs.a"].action == "delete"
    assert plan(a="skip", a__permissions="skip").changes["jobs.a"].action == "skip"


def test_what_is_gone_already_is_no_deletion() -> None:
    assert plan(a={"action": "delete", "gone": True}).keys("delete") == []


def test_the_changed_fields_are_named_without_those_that_do_not_count() -> None:
    changes = {"tasks": {"action": "update"}, "format": {"action": "skip"}}
    assert plan(a={"action": "update", "changes": changes}).changes["jobs.a"].fields == ("tasks",)


def test_the_document_is_kept_as_it_was() -> None:
    document = '{"plan_version": 2,  "unknown": [1.50], "plan": {}}\n'
    assert Plan.parse(document).document == document


def test_what_another_plan_would_do_otherwise() -> None:
    one, other = plan(a="skip", b="create"), plan(b="update", c="delete")
    assert one.differs(other) == ["jobs.b", "jobs.c"]
    assert one.differs(other, {"jobs.b"}) == ["jobs.c"]


@pytest.mark.parametrize(
    "document", ["", "[]", '{"plan": {"resources.jobs.a": {"action": "explode"}}}', '{"plan": [1]}']
)
def test_what_cannot_be_understood_is_refused(document: str) -> None:
    with pytest.raises(EntityMatchingError, match="plan of the Databricks CLI"):
        Plan.parse(document)
