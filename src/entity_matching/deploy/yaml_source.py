"""YAML files of which every value knows its file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, ScalarNode
from yaml.nodes import Node as YamlNode

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML without libyaml, which is ten times slower
    from yaml import SafeLoader  # type: ignore[assignment]

from entity_matching.errors import EntityMatchingError

KEYED = {
    "tasks": "task_key",
    "environments": "environment_key",
    "job_clusters": "job_cluster_key",
    "parameters": "name",
}
"""Lists whose members are known by a key: of two such lists, members of one key become one."""


class BundleError(EntityMatchingError):
    """Raised when a bundle's files cannot be read, do not fit together, or cannot be deployed."""


@dataclass(frozen=True)
class Place:
    """Where something stands. ``line`` counts from 1; 0 means the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        """Return it as editors read it: ``file:line``."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Node:
    """A value and its place. ``value`` is a dictionary or a tuple of nodes, or a plain value."""

    value: Any
    place: Place

    def get(self, *path: str | int) -> Node | None:
        """Return the node at a path of keys and positions, or ``None``."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            members = node.value
            if isinstance(members, dict):
                node = members.get(step)
            elif isinstance(members, tuple) and isinstance(step, int) and 0 <= step < len(members):
                node = members[step]
            else:
                return None
        return node

    def plain(self) -> Any:
        """Return the value without places: dictionaries, lists, plain values."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value

    def walk(self, path: tuple[str | int, ...] = ()) -> Iterable[tuple[tuple[str | int, ...], Node]]:
        """Yield every node with its path, this one first."""
        yield path, self
        if isinstance(self.value, dict):
            for key, node in self.value.items():
                yield from node.walk((*path, key))
        elif isinstance(self.value, tuple):
            for place, node in enumerate(self.value):
                yield from node.walk((*path, place))


def node_of(value: Any, place: Place) -> Node:
    """Return a plain value as a node, all of it at one place."""
    if isinstance(value, Mapping):
        return Node({str(key): node_of(member, place) for key, member in value.items()}, place)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Node(tuple(node_of(member, place) for member in value), place)
    return Node(value, place)


class _Loader(SafeLoader):
    """YAML as the Databricks CLI reads it: 'yes', 'on', dates and 1:30 are texts."""


_PLAIN = {"bool": "tTfF", "int": "-+0123456789", "float": "-+0123456789.", "null": ["~", "n", "N", ""], "merge": "<"}
_PATTERNS = {
    "bool": r"^(?:true|True|TRUE|false|False|FALSE)$",
    "int": r"^[-+]?(?:0|[1-9][0-9]*)$",
    "float": r"^[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$",
    "null": r"^(?:~|null|Null|NULL|)$",
    "merge": r"^<<$",
}


def _resolvers() -> None:
    _Loader.yaml_implicit_resolvers = {}
    for name, pattern in _PATTERNS.items():
        _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{name}", re.compile(pattern), list(_PLAIN[name]))


_resolvers()


def read_yaml(path: Path, *, name: str) -> Node:
    """Read a file.

    :param name: what the file is called in messages.
    :raises BundleError: with the line, if it is no valid YAML, a key stands twice, or a value holds itself.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise BundleError(f"There is no file {name}.", remedy="Restore it.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{name} cannot be read: {error}.", remedy="It must be a UTF-8 file you may read.") from error
    return parse_yaml(text, name=name)


def parse_yaml(text: str, *, name: str) -> Node:
    """Read a text as :func:`read_yaml` reads a file."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return Node({}, Place(name)) if root is None else _Reader(loader, name).read(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1 if mark else 0)
        raise BundleError(f"{place}: {_problem(text, error, place.line)}.", remedy="Correct this line.") from error
    except yaml.YAMLError as error:
        raise BundleError(f"{name} is not valid YAML: {error}.", remedy="Correct it.") from error
    except RecursionError as error:
        raise BundleError(f"{name} is nested too deeply.", remedy="Flatten it.") from error
    finally:
        loader.dispose()


def _problem(text: str, error: yaml.MarkedYAMLError, line: int) -> str:
    lines = text.splitlines()
    if 0 < line <= len(lines) and "\t" in lines[line - 1]:
        return "there is a tab; YAML is indented by spaces"
    return f"not valid YAML: {error.problem or error.context}"


class _Reader:
    """Makes nodes of what PyYAML composed."""

    def __init__(self, loader: _Loader, name: str) -> None:
        self.loader = loader
        self.name = name
        self.open: list[int] = []

    def read(self, node: YamlNode) -> Node:
        """Return a node with all it holds."""
        place = self._place(node)
        if isinstance(node, ScalarNode):
            return Node(self._scalar(node, place), place)
        if id(node) in self.open:
            raise BundleError(f"{place}: this value holds itself.", remedy="Take the alias (*) out.")
        self.open.append(id(node))
        value: Any
        if isinstance(node, MappingNode):
            value = self._mapping(node)
        else:
            value = tuple(self.read(member) for member in node.value)
        self.open.pop()
        return Node(value, place)

    def _mapping(self, node: MappingNode) -> dict[str, Node]:
        seen: dict[str, Place] = {}
        for key, _ in node.value:
            place = self._place(key)
            if not isinstance(key, ScalarNode):
                raise BundleError(f"{place}: a key must be a single word.", remedy="Correct this line.")
            if key.value in seen and key.value != "<<":
                raise BundleError(
                    f"{place}: the key '{key.value}' is there twice, first in line {seen[key.value].line}.",
                    remedy="Remove one.",
                )
            seen[key.value] = place
        if "<<" in seen:
            self.loader.flatten_mapping(node)  # puts what is merged first, so that what stands here wins
        return {key.value: replace(self.read(value), place=self._place(key)) for key, value in node.value}

    def _scalar(self, node: ScalarNode, place: Place) -> Any:
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise BundleError(f"{place}: '{node.value}' cannot be read.", remedy="Put it in quotes.") from error

    def _place(self, node: YamlNode) -> Place:
        return Place(self.name, node.start_mark.line + 1)


def merged(first: Node, second: Node, *, override: bool, path: tuple[str, ...] = ()) -> Node:
    """Put two trees together: dictionaries by their keys, lists one after the other (or by key, see ``KEYED``).

    :param override: whether a plain value of the second goes before one of the first; else two are an error.
    :raises BundleError: naming both places.
    """
    one, two = first.value, second.value
    if isinstance(one, dict) and isinstance(two, dict):
        both = dict(one)
        for key, node in two.items():
            both[key] = merged(both[key], node, override=override, path=(*path, key)) if key in both else node
        return Node(both, second.place if override else first.place)
    if isinstance(one, tuple) and isinstance(two, tuple):
        return Node(_joined(one, two, path, override=override), first.place)
    if not override:
        raise BundleError(
            f"{second.place}: '{'.'.join(path)}' is defined a second time, after {first.place}.", remedy="Remove one."
        )
    return second


def _joined(one: tuple[Node, ...], two: tuple[Node, ...], path: tuple[str, ...], *, override: bool) -> tuple[Node, ...]:
    key = KEYED.get(path[-1]) if path else None
    if key is None:
        return one + two
    members = {_key(node, key, place): node for place, node in enumerate(one)}
    for place, node in enumerate(two, start=len(one)):
        name = _key(node, key, place)
        known = members.get(name)
        members[name] = node if known is None else merged(known, node, override=override, path=(*path, str(name)))
    return tuple(members.values())


def _key(node: Node, key: str, place: int) -> Any:
    named = node.get(key)
    return place if named is None else named.value
