"""References in a bundle, ``${var.name}``, and what they stand for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from entity_matching.deploy.yaml_source import BundleError, Node

REFERENCE = re.compile(r"\$\{([^${}]*)\}")
_PATH = re.compile(r"[^\W\d_][\w-]*(?:\[\d+\])*(?:\.[^\W\d_][\w-]*(?:\[\d+\])*)*")
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
ROOTS = ("var", "bundle", "workspace", "resources")
"""What a reference may begin with."""
_LATE = ("id", "url", "modified_status")
"""What is known of a resource only once it is deployed."""


class Resolver:
    """Puts values in place of references.

    :param tree: the bundle, with ``var``: the value of each variable, and all that may be referred to.
    """

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self.known: dict[str, Node] = {}
        self.open: list[str] = []

    def resolve(self, node: Node) -> Node:
        """Return a node without references, but for those to what exists only once a resource is deployed.

        A text that is one reference becomes what it refers to, with its type; within a longer text it becomes text.

        :raises BundleError: at its file and line, of a reference that is unknown, goes round in a circle, or puts a
            list into a text.
        """
        value = node.value
        if isinstance(value, dict):
            return replace(node, value={key: self.resolve(member) for key, member in value.items()})
        if isinstance(value, tuple):
            return replace(node, value=tuple(self.resolve(member) for member in value))
        if not isinstance(value, str) or "${" not in value:
            return node
        whole = REFERENCE.fullmatch(value)
        if whole is not None:
            found = self._refer(whole[1], node)
            return node if found is None else replace(found, place=node.place)
        self._check_form(node)
        return replace(node, value=REFERENCE.sub(lambda match: self._text(match, node), value))

    def _text(self, match: re.Match[str], node: Node) -> str:
        found = self._refer(match[1], node)
        if found is None:
            return match[0]
        if isinstance(found.value, dict | tuple):
            raise BundleError(
                f"{node.place}: {match[0]} is a list or a mapping, which cannot stand within a text.",
                remedy="Let it stand alone.",
            )
        return _as_text(found.value)

    def _refer(self, reference: str, node: Node) -> Node | None:
        """Return what a reference stands for; ``None`` if that is known only once its resource is deployed."""
        if not _PATH.fullmatch(reference):
            raise BundleError(
                f"{node.place}: '${{{reference}}}' is not a reference.", remedy="Write it like ${var.catalog_name}."
            )
        if reference in self.open:
            circle = " -> ".join([*self.open[self.open.index(reference) :], reference])
            raise BundleError(f"{node.place}: ${{{reference}}} refers to itself: {circle}.", remedy="Break the circle.")
        if reference not in self.known:
            target = self._find(reference, node)
            if target is None:
                return None
            self.open.append(reference)
            self.known[reference] = self.resolve(target)
            self.open.pop()
        return self.known[reference]

    def _find(self, reference: str, node: Node) -> Node | None:
        steps: list[str | int] = [name or int(place) for name, place in _STEP.findall(reference)]
        if steps[0] not in ROOTS:
            raise _unknown(reference, str(steps[0]), ROOTS, node)
        here = self.tree
        for depth, step in enumerate(steps):
            following = here.get(step)
            if following is None and isinstance(here.value, str) and REFERENCE.fullmatch(here.value):
                inner = self.resolve(here)  # a variable whose value is another one
                here, following = inner, inner.get(step)
            if following is None:
                if steps[0] == "resources" and depth == 3 and step in _LATE:
                    return None
                raise _unknown(reference, str(step), here.value if isinstance(here.value, dict) else (), node)
            here = following
        return here

    def _check_form(self, node: Node) -> None:
        rest = REFERENCE.sub("", node.value)
        if "${" in rest:
            raise BundleError(
                f"{node.place}: there is a '${{' without its '}}' in '{node.value}'.",
                remedy="Write it like ${var.catalog_name}.",
            )


def references(value: Any) -> list[str]:
    """Return what a text refers to, in order; nothing if it is no text."""
    return REFERENCE.findall(value) if isinstance(value, str) else []


def closest(name: str, names: Iterable[str]) -> str:
    """Return a sentence that names what may have been meant, or all there is."""
    there = sorted(names)
    near = difflib.get_close_matches(name, there, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"There are: {', '.join(there)}." if there else "There are none."


def _unknown(reference: str, step: str, names: Iterable[str], node: Node) -> BundleError:
    is_variable = reference.partition("[")[0] == f"var.{step}" or reference.startswith(f"var.{step}.")
    what = f"the variable '{step}' is not declared" if is_variable else f"there is no '{step}'"
    return BundleError(f"{node.place}: ${{{reference}}}: {what}.", remedy=closest(step, names))


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
