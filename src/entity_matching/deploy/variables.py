"""The variables of a bundle, and which of several values each one has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from entity_matching.deploy.interpolation import closest
from entity_matching.deploy.yaml_source import BundleError, Node, Place

PREFIX = "BUNDLE_VAR_"
"""What the environment variable of a variable begins with."""
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Given:
    """Values that the files do not say: of the command, of the environment, and of the user's own file."""

    command: Mapping[str, str]
    environment: Mapping[str, str]
    overrides: Node


@dataclass(frozen=True)
class Values:
    """Gives each declared variable its value."""

    declared: Node
    given: Given

    def all(self, chosen: Mapping[str, Node]) -> dict[str, Node]:
        """Return the values by name, with their references.

        :param chosen: what the target gives them.
        :raises BundleError: if one is not declared, has no value, or one of another type.
        """
        self._check_declared(chosen)
        return {name: self._value(name, node, chosen.get(name)) for name, node in self.declared.value.items()}

    def _check_declared(self, chosen: Mapping[str, Node]) -> None:
        for name, node in {**chosen, **self.given.overrides.value}.items():
            if name not in self.declared.value and node.place.line:
                # what a later phase declares may be kept in the user's file
                if node.place.file == self.given.overrides.place.file:
                    continue
                raise BundleError(
                    f"{node.place}: the variable '{name}' is not declared.",
                    remedy=closest(name, self.declared.value),
                )

    def _value(self, name: str, declared: Node, chosen: Node | None) -> Node:
        default = declared.get("default")
        for origin, text in (("--var", self.given.command.get(name)), (PREFIX, self._named(name))):
            if text is not None:
                return _typed(name, text, declared, Place(f"{origin}{name}" if origin == PREFIX else f"--var {name}"))
        own = self.given.overrides.get(name)
        if own is not None:
            return own
        if chosen is not None:
            return chosen.get("default") or chosen
        if default is None:
            raise BundleError(
                f"{declared.place}: the variable '{name}' has no value.",
                remedy=f"Give it with --var {name}=VALUE, or {PREFIX}{name} in the environment.",
            )
        return default

    def _named(self, name: str) -> str | None:
        return self.given.environment.get(PREFIX + name)


def _typed(name: str, text: str, declared: Node, place: Place) -> Node:
    """Return a value that came as text, in the type of the variable's default."""
    kind = declared.get("type")
    if kind is not None and kind.value == "complex":
        raise BundleError(
            f"{place}: the variable '{name}' is a list or mapping, which cannot be given as text.",
            remedy="Write it to .databricks/bundle/<target>/variable-overrides.json.",
        )
    default = declared.get("default")
    wanted = None if default is None else default.value
    value: Any = text
    if isinstance(wanted, bool):
        value = _WORDS.get(text.strip().lower())
    elif isinstance(wanted, int):
        value = int(text) if text.strip().lstrip("-").isdecimal() else None
    if value is None:
        expected = "true or false" if isinstance(wanted, bool) else "a whole number"
        raise BundleError(f"{place} is '{text}'; the variable is {expected}.", remedy="Correct it.")
    return Node(value, place)
