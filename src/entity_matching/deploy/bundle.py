"""A bundle: what one phase deploys to one target, read from its files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entity_matching.deploy.interpolation import Resolver, closest
from entity_matching.deploy.user import User
from entity_matching.deploy.variables import Given, Values
from entity_matching.deploy.yaml_source import BundleError, Node, Place, merged, node_of, read_yaml

__all__ = [
    "LOCAL",
    "PHASES",
    "Bundle",
    "BundleError",
    "User",
    "load",
    "own_values",
    "phase_file",
    "read_phase",
    "targets",
]

PHASES = (1, 2, 3)
LOCAL = "local"
"""The target that is this machine; the files do not name it."""
LOCAL_VARIABLES = {
    "catalog_name": "entity_matching",
    "pipeline_pause_status": "UNPAUSED",
    "training_settings": "${workspace.file_path}/examples/companies/training.yml",
}
"""Values that variables have on the target ``local`` unless they are given others."""


@dataclass(frozen=True)
class Bundle:
    """What a phase deploys to a target, every reference resolved that can be before it is deployed.

    :param name: the bundle's name. :param files: the files it was read from, the phase's own first.
    :param variables: the value of every variable.
    :param jobs: the jobs by their keys, as the Jobs API takes them; ``endpoints``: the serving endpoints.
    :param permissions: those on everything that is deployed.
    :param raw: the files' content put together, with its references, before the target's part was added.
    :param tree: all of it, resolved.
    """

    name: str
    phase: int
    target: str
    root: Path
    user: User
    files: tuple[str, ...]
    variables: dict[str, Any]
    jobs: dict[str, dict[str, Any]]
    endpoints: dict[str, dict[str, Any]]
    permissions: list[dict[str, Any]]
    raw: Node = field(repr=False)
    tree: Node = field(repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the target is this machine."""
        return self.target == LOCAL

    @property
    def catalog(self) -> str:
        """The catalog of its tables and its model."""
        return str(self.variables["catalog_name"])

    @property
    def model_name(self) -> str:
        """The full name of the registered model."""
        return str(self.variables["model_name"])

    def where(self, *path: str | int) -> str:
        """Return ``file:line`` of what stands at a path such as ``"resources", "jobs", KEY``.

        Of what is not there it is the place of what would hold it.
        """
        for length in range(len(path), 0, -1):
            found = self.tree.get(*path[:length])
            if found is not None:
                return str(found.place)
        return self.files[0]


def phase_file(phase: int) -> str:
    """Return the name of a phase's file.

    :raises BundleError: if there is no such phase.
    """
    if phase not in PHASES:
        raise BundleError(f"There is no phase {phase}.", remedy="Phases are 1, 2 and 3.")
    return f"databricks-phase{phase}.yml"


def read_phase(root: Path, phase: int) -> tuple[Node, tuple[str, ...]]:
    """Read the files of a phase and put them together; nothing is resolved.

    :returns: the content, and the files' names, the phase's own first.
    :raises BundleError: with file and line, of what is wrong in them.
    """
    name = phase_file(phase)
    tree = read_yaml(root / name, name=name)
    files = [name]
    for pattern in _included(tree):
        found = sorted(path for path in root.glob(pattern.value) if path.is_file())
        if not found:
            raise BundleError(f"{pattern.place}: no file fits '{pattern.value}'.", remedy="Restore or correct it.")
        for path in found:
            file = path.relative_to(root).as_posix()
            if file not in files:
                files.append(file)
                tree = merged(tree, _checked(read_yaml(path, name=file)), override=False)
    return tree, tuple(files)


def targets(tree: Node) -> tuple[str, ...]:
    """Return the targets that there are: those of the files, and ``local``."""
    named = tree.get("targets")
    return (LOCAL, *(named.value if named is not None and isinstance(named.value, dict) else ()))


def load(
    root: Path,
    phase: int,
    target: str,
    *,
    variables: Mapping[str, str],
    user: User,
    environment: Mapping[str, str] | None = None,
) -> Bundle:
    """Read what a phase deploys to a target.

    A variable has the first of these values: that in ``variables``; ``BUNDLE_VAR_<name>`` of the environment; that of
    ``.databricks/bundle/<target>/variable-overrides.json``; that of the target; its default. ``model_version`` has none
    of its own: deploying asks for the champion's.

    :param root: the folder of the phases' files.
    :param variables: values of variables; of one that only a later phase declares nothing is made.
    :param environment: by default that of the process.
    :raises BundleError: naming file and line, of what is wrong in the files; of a phase, a target or a variable that
        is unknown; of a variable without a value.
    """
    root = root.absolute()
    raw, files = read_phase(root, phase)
    tree = _with_target(raw, target)
    here = Place(files[0])
    declared = tree.get("variables") or Node({}, here)
    _check_given(root, variables, declared)
    given = Given(variables, os.environ if environment is None else environment, own_values(root, target))
    values = Values(declared, given).all(_chosen(raw, target))
    context = {**tree.value, "var": Node(values, declared.place)}
    context |= {"bundle": _bundle(tree, target, here), "workspace": _workspace(tree, root, target, user)}
    resolver = Resolver(Node(context, here))
    resolved = Node({key: resolver.resolve(node) for key, node in context.items() if key != "targets"}, here)
    resources = _plain(resolved, "resources")
    return Bundle(
        name=str(_plain(resolved, "bundle").get("name", "")),
        phase=phase,
        target=target,
        root=root,
        user=user,
        files=files,
        variables=_plain(resolved, "var"),
        jobs=resources.get("jobs") or {},
        endpoints=resources.get("model_serving_endpoints") or {},
        permissions=(resolved.get("permissions") or Node((), here)).plain(),
        raw=raw,
        tree=resolved,
    )


def _plain(tree: Node, key: str) -> dict[str, Any]:
    node = tree.get(key)
    return {} if node is None else dict(node.plain())


def _included(tree: Node) -> tuple[Node, ...]:
    include = tree.get("include")
    members = () if include is None else include.value
    if not isinstance(members, tuple) or not all(isinstance(node.value, str) for node in members):
        raise BundleError(f"{tree.place}: 'include' must be a list of files.", remedy="Correct it.")
    return members


def _checked(tree: Node) -> Node:
    for key in ("include", "bundle"):
        wrong = tree.get(key)
        if wrong is not None:
            raise BundleError(f"{wrong.place}: '{key}' may stand in a phase's own file only.", remedy="Move it there.")
    return tree


def _with_target(tree: Node, target: str) -> Node:
    """Return a bundle with the part of its target put over it; the variables' part goes another way."""
    if target not in targets(tree):
        raise BundleError(f"There is no target '{target}'.", remedy=closest(target, targets(tree)))
    part = tree.get("targets", target)
    if target == LOCAL or part is None or not isinstance(part.value, dict):
        return tree
    own = {key: node for key, node in part.value.items() if key not in ("default", "mode", "variables")}
    return merged(tree, Node(own, part.place), override=True)


def _chosen(tree: Node, target: str) -> Mapping[str, Node]:
    """Return what a target gives its variables."""
    if target == LOCAL:
        return {name: Node(value, Place("the target local")) for name, value in LOCAL_VARIABLES.items()}
    chosen = tree.get("targets", target, "variables")
    return chosen.value if chosen is not None and isinstance(chosen.value, dict) else {}


def _check_given(root: Path, variables: Mapping[str, str], declared: Node) -> None:
    unknown = [name for name in variables if name not in declared.value]
    if not unknown:
        return
    names = set(declared.value)
    for phase in PHASES:
        there = read_phase(root, phase)[0].get("variables")
        names |= set() if there is None else set(there.value)
    for name in unknown:
        if name not in names:
            raise BundleError(f"The variable '{name}' is not declared.", remedy=closest(name, names))


def own_values(root: Path, target: str) -> Node:
    """Return the values that the user keeps for a target, as the Databricks CLI has them (JSON, which is YAML)."""
    name = f".databricks/bundle/{target}/variable-overrides.json"
    return read_yaml(root / name, name=name) if (root / name).is_file() else Node({}, Place(name))


def _bundle(tree: Node, target: str, here: Place) -> Node:
    own = tree.get("bundle")
    return Node({**(own.value if own else {}), "target": Node(target, here)}, own.place if own else here)


def _workspace(tree: Node, root: Path, target: str, user: User) -> Node:
    """Return the workspace as references see it. On one machine the uploaded files are those that are there."""
    own = tree.get("workspace")
    place = Place("the workspace") if own is None else own.place
    names = {"userName": user.name, "short_name": user.short_name, "domain_friendly_name": user.domain_friendly_name}
    if target == LOCAL:
        paths = {"root_path": str(root), "file_path": str(root), "artifact_path": str(root / "dist")}
    else:
        above = "${workspace.root_path}"
        paths = {"root_path": f"/Workspace/Users/{user.name}/.bundle/${{bundle.name}}/{target}"}
        paths |= {f"{kind}_path": f"{above}/{folder}" for kind, folder in _FOLDERS.items()}
    defaults = node_of({**paths, "current_user": names}, place)
    return defaults if own is None or target == LOCAL else merged(defaults, own, override=True)


_FOLDERS = {"file": "files", "artifact": "artifacts", "state": "state", "resource": "resources"}
