"""Names of resources that are written out where they should be referred to.

A name that is written out is wrong as soon as its resource is renamed, and does not tell what depends on what.
"""

from __future__ import annotations

from collections.abc import Iterator

from entity_matching.deploy.bundle import Bundle
from entity_matching.deploy.yaml_source import Node


def repeated_names(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield where the name of a resource stands as such in another place of the resources."""
    resources = bundle.tree.get("resources")
    if resources is None:
        return
    names = dict(_names(resources))
    for path, node in resources.walk():
        if not isinstance(node.value, str) or path[-1:] == ("name",) and len(path) == 3:
            continue
        for name, (kind, key) in names.items():
            if name in node.value and not _is_reference(bundle, path, kind, key):
                yield (
                    f"{node.place}: '{name}' is the name of {kind}.{key}, written out",
                    f"Write ${{resources.{kind}.{key}.name}}.",
                )


def _names(resources: Node) -> Iterator[tuple[str, tuple[str, str]]]:
    for kind, members in resources.value.items():
        for key, member in members.value.items():
            name = member.get("name")
            if name is not None and isinstance(name.value, str) and name.value:
                yield name.value, (kind, key)


def _is_reference(bundle: Bundle, path: tuple[str | int, ...], kind: str, key: str) -> bool:
    written = bundle.raw.get("resources", *path)
    if written is None:  # it came with a variable; what that says is looked at where it is written
        return any(_refers(node, kind, key) for node in _variables(bundle))
    return _refers(written, kind, key)


def _variables(bundle: Bundle) -> Iterator[Node]:
    variables = bundle.raw.get("variables")
    if variables is not None:
        for _, node in variables.walk():
            yield node


def _refers(node: Node, kind: str, key: str) -> bool:
    return isinstance(node.value, str) and f"${{resources.{kind}.{key}." in node.value
