"""References, and what they stand for."""

from __future__ import annotations

from typing import Any

import pytest

from entity_matching.deploy.interpolation import Resolver
from entity_matching.deploy.yaml_source import BundleError, Place, node_of

CONTEXT = {
    "var": {"name": "x", "on": True, "list": [1, {"k": "${var.name}"}], "again": "${var.list}", "loop": "a${var.pool}",
            "pool": "${var.loop}", "self": "${var.self}"},
    "bundle": {"target": "dev"},
    "resources": {"jobs": {"a": {"name": "[${bundle.target}] a"}}},
}  # fmt: skip


def _resolved(value: Any) -> Any:
    place = Place("resources/x.yml", 7)
    return Resolver(node_of(CONTEXT, Place("c.yml", 1))).resolve(node_of(value, place)).plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${var.on}", True),
        ("is ${var.on}", "is true"),
        ("${var.list}", [1, {"k": "x"}]),
        ("${var.list[1].k}!", "x!"),
        ("${var.again[0]}", 1),
        ("${resources.jobs.a.name}", "[dev] a"),
        ("${resources.jobs.a.id}", "${resources.jobs.a.id}"),
        ("{{job.run_id}}", "{{job.run_id}}"),
        ("costs $5", "costs $5"),
    ],
)
def test_a_reference_becomes_what_it_stands_for(text: str, value: Any) -> None:
    assert _resolved(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${var.nam}", r"resources/x.yml:7: \$\{var.nam\}: the variable 'nam' is not declared. Did you mean 'name'"),
        ("${vars.name}", r"there is no 'vars'. Did you mean 'var'"),
        ("${resources.jobs.b.id}", r"there is no 'b'"),
        ("${resources.jobs.a.nane}", r"there is no 'nane'. Did you mean 'name'"),
        ("x ${var.list}", r"list or a mapping"),
        ("${var.name", r"without its '\}'"),
        ("x ${1}", r"'\$\{1\}' is not a reference"),
        ("${}", r"is not a reference"),
        ("${var.list[9]}", r"there is no '9'"),
    ],
)
def test_what_cannot_be_resolved_is_told_with_file_and_line(text: str, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        _resolved(text)


@pytest.mark.parametrize(
    ("text", "circle"),
    [("${var.self}", "var.self -> var.self"), ("${var.loop}", "var.loop -> var.pool -> var.loop")],
)
def test_a_variable_that_refers_to_itself_is_told_with_its_circle(text: str, circle: str) -> None:
    with pytest.raises(BundleError, match=circle):
        _resolved(text)
