"""The bundle, read without the code that is tested."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.deploy.fake_databricks.workspace import Failure

ROOT_KEYS = {"bundle", "include", "variables", "artifacts", "sync", "targets", "resources", "workspace", "permissions"}
REFERENCE = re.compile(r"\$\{([^}]+)\}")


class Bundle:
    """The bundle of the working folder, resolved."""

    def __init__(self, folder: Path, options: Mapping[str, Any], environ: Mapping[str, str], user: str) -> None:
        path = folder / "databricks.yml"
        if not path.exists():
            raise Failure("Error: unable to locate bundle root: databricks.yml not found")
        tree: dict[str, Any] = _read(path)
        for pattern in tree.get("include", []):
            for file in sorted(folder.glob(pattern)):
                _merge(tree, _read(file))
        self.unknown = sorted(set(tree) - ROOT_KEYS)
        target = options.get("target", "dev")
        if target not in tree["targets"]:
            raise Failure(f"Error: {target}: no such target")
        own = tree["targets"][target]
        _merge(tree, {key: value for key, value in own.items() if key in ("workspace", "permissions", "resources")})
        values = _values(tree, own, options, environ)
        short = re.sub(r"\W", "_", user.partition("@")[0])
        self.root_path = f"/Workspace/Users/{user}/.bundle/{tree['bundle']['name']}/{target}"
        workspace = {"root_path": self.root_path, "file_path": f"{self.root_path}/files",
                     "state_path": f"{self.root_path}/state",
                     "current_user": {"userName": user, "short_name": short}}  # fmt: skip
        workspace |= tree.get("workspace", {})
        self.names = {"bundle": {**tree["bundle"], "target": target}, "workspace": workspace, "var": values,
                      "resources": tree.get("resources", {})}  # fmt: skip
        self.root_path = self.resolve(workspace["root_path"])
        self.tree = tree
        self.resources: dict[str, dict[str, Any]] = {}
        for kind, members in tree.get("resources", {}).items():
            for name, resource in members.items():
                self.resources[f"{kind}.{name}"] = self._resource(kind, resource)

    def _resource(self, kind: str, resource: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.resolve(resource)
        found["permissions"] = [*found.get("permissions", []), *self.resolve(self.tree.get("permissions", []))]
        if kind == "jobs":
            found["deployment"] = {"kind": "BUNDLE", "metadata_file_path": f"{self.root_path}/state/metadata.json"}
        for entity in found.get("config", {}).get("served_entities", []):
            if not str(entity["entity_version"]).isdecimal():
                raise Failure(f"Error: entity_version must be a number, not {entity['entity_version']}")
        return found

    def resolve(self, value: Any) -> Any:
        """Put values in place of references."""
        if isinstance(value, dict):
            return {key: self.resolve(member) for key, member in value.items()}
        if isinstance(value, list):
            return [self.resolve(member) for member in value]
        if not isinstance(value, str):
            return value
        whole = REFERENCE.fullmatch(value)
        if whole:
            return self.resolve(self._refer(whole[1]))
        return REFERENCE.sub(lambda match: str(self.resolve(self._refer(match[1]))), value)

    def _refer(self, path: str) -> Any:
        node: Any = self.names
        for step in path.split("."):
            if not isinstance(node, dict) or step not in node:
                raise Failure(f"Error: reference does not exist: ${{{path}}}")
            node = node[step]
        return node


def _values(
    tree: Mapping[str, Any], own: Mapping[str, Any], options: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Any]:
    values = {name: declared.get("default") for name, declared in tree.get("variables", {}).items()}
    values |= own.get("variables", {})
    for name, value in environ.items():
        if name.removeprefix("BUNDLE_VAR_") in values and name.startswith("BUNDLE_VAR_"):
            values[name.removeprefix("BUNDLE_VAR_")] = value
    for given in options.get("var", []):
        name, _, value = given.partition("=")
        if name not in values:
            raise Failure(f"Error: variable {name} has not been defined")
        values[name] = value
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise Failure(f"Error: no value assigned to required variable {missing[0]}")
    return values


def _read(path: Path) -> dict[str, Any]:
    return copy.deepcopy(_parse(path.read_text()))


@functools.cache
def _parse(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


def _merge(one: dict[str, Any], two: Mapping[str, Any]) -> None:
    for key, value in two.items():
        if isinstance(value, dict) and isinstance(one.get(key), dict):
            _merge(one[key], value)
        elif isinstance(value, list) and isinstance(one.get(key), list):
            one[key] = one[key] + value
        else:
            one[key] = value
