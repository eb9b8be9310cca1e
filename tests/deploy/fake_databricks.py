"""A Databricks CLI with a workspace in a folder, for tests: put on PATH as ``databricks``, or called by ``main``.

It reads the bundle by itself, and does with it what the real one does where that matters here: what is in its state and
not in the configuration is deleted on deploy, without a question; ``unbind`` keeps the remote object; deploying without
binding makes a second copy; a saved plan is refused once the state has moved on.

Environment: ``FAKE_DATABRICKS`` the folder; ``FAKE_DATABRICKS_VERSION``; ``FAKE_DATABRICKS_FAIL`` a list, separated by
commas, of commands that fail (``validate``, ``plan``, ``bind``, ...), ``deploy:N`` (after N resources),
``network:COMMAND``, ``lock``; ``FAKE_DATABRICKS_HANG`` a command that waits for a signal.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

WITH_VALUE = {"--params", "-t", "-o", "--target", "--output", "--var", "--plan", "--name", "--json", "--profile"}
FLAGS = {"--strict", "--auto-approve", "--force-lock", "--force-pull", "--force"}
ROOT_KEYS = {"bundle", "include", "variables", "artifacts", "sync", "targets", "resources", "workspace", "permissions"}
REFERENCE = re.compile(r"\$\{([^}]+)\}")
NETWORK = 'Error: Get "https://fake.example/api": dial tcp: lookup fake.example: no such host'


class Failure(Exception):
    """Ends the command with exit code 1 and this on stderr."""


class Workspace:
    """What there is in the workspace, kept in one file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "workspace.json"
        empty: dict[str, Any] = {"jobs": {}, "endpoints": {}, "models": {}, "catalogs": {}, "states": {}, "next": 101,
                                 "wheel": False, "calls": [], "user": "first.last@company.com"}  # fmt: skip
        self.data = {**empty, **json.loads(self.path.read_text())} if self.path.exists() else empty

    def save(self) -> None:
        """Write it down."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.data, indent=1))

    def remote(self, key: str, identifier: str) -> Any:
        """Return what is there under an id."""
        return self.data[_place(key)].get(identifier)


def _place(key: str) -> str:
    return "jobs" if key.startswith("jobs.") else "endpoints"


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


class Program:
    """One call of the program."""

    def __init__(self, argv: list[str], environ: Mapping[str, str], cwd: Path) -> None:
        self.environ, self.cwd = environ, cwd
        self.options: dict[str, Any] = {"var": [], "params": []}
        self.words: list[str] = []
        given = iter(argv)
        for word in given:
            name, equals, value = word.partition("=")
            if name in WITH_VALUE:
                self._take(name, value if equals else next(given))
            elif word in FLAGS:
                self.options[word.lstrip("-")] = True
            elif word.startswith("-"):
                raise Failure(f"Error: unknown flag: {word}")
            else:
                self.words.append(word)
        self.space = Workspace(Path(environ["FAKE_DATABRICKS"]))
        self.out: list[str] = []
        self.err: list[str] = []

    def _take(self, name: str, value: str) -> None:
        name = {"-t": "target", "-o": "output"}.get(name, name.lstrip("-"))
        if name in ("var", "params"):
            self.options[name].append(value)
        else:
            self.options[name] = value

    def run(self) -> None:
        """Do what was asked for."""
        words = [*self.words, "", ""]
        command = words[2] if words[:2] == ["bundle", "deployment"] else words[1] if words[0] == "bundle" else words[0]
        if command != "version":
            self.space.data["calls"].append(" ".join(self.words))
            self.space.save()
        self._trouble(command)
        if words[0] == "bundle":
            bundle = Bundle(self.cwd, self.options, self.environ, self.space.data["user"])
            getattr(self, f"bundle_{command}")(bundle)
        else:
            getattr(self, f"do_{'_'.join(words[:2])}".replace("-", "_").rstrip("_"))()
        self.space.save()

    def _trouble(self, command: str) -> None:
        fails = self.environ.get("FAKE_DATABRICKS_FAIL", "").split(",")
        if f"network:{command}" in fails:
            raise Failure(NETWORK)
        if command in fails:
            raise Failure(f"Error: {command} went wrong")
        if "lock" in fails and command in ("deploy", "bind", "unbind", "destroy") and "force-lock" not in self.options:
            raise Failure("Error: Failed to acquire deployment lock: deploy lock acquired by other@company.com at "
                          "2026-11-01 02:00:00 +0000 UTC. Use --force-lock to override")  # fmt: skip
        if self.environ.get("FAKE_DATABRICKS_HANG") == command:
            signal.signal(signal.SIGINT, _gracefully)
            (self.space.path.parent / "hangs").write_text(str(os.getpid()))
            time.sleep(60)

    # what the bundle's commands do

    def bundle_validate(self, bundle: Bundle) -> None:
        """Tell what is resolved."""
        if bundle.unknown:
            self.err.append(f"Warning: unknown field: {bundle.unknown[0]}")
            if "strict" in self.options:
                raise Failure(f"Warning: unknown field: {bundle.unknown[0]}\n\nError: warnings are errors")
        self._tell(self._resolved(bundle))

    def bundle_summary(self, bundle: Bundle) -> None:
        """Tell what is resolved, with the ids of what is deployed."""
        told = self._resolved(bundle)
        for key, identifier in self._state(bundle)["resources"].items():
            kind, name = key.split(".")
            members = told["resources"].setdefault(kind, {})
            members.setdefault(name, {"modified_status": "deleted"})["id"] = identifier
        self._tell(told)

    def bundle_plan(self, bundle: Bundle) -> None:
        """Tell what would be done."""
        state = self._state(bundle)
        self._tell({"plan_version": 2, "cli_version": self._version(), "lineage": state["lineage"],
                    "serial": state["serial"], "plan": self._plan(bundle)})  # fmt: skip

    def bundle_deploy(self, bundle: Bundle) -> None:
        """Do it."""
        state = self._state(bundle)
        plan = self._plan(bundle)
        saved = self.options.get("plan")
        if saved:
            document = json.loads(Path(saved).read_text())
            if (document["lineage"], document["serial"]) != (state["lineage"], state["serial"]):
                raise Failure(f"Error: plan serial {document['serial']} does not match state serial {state['serial']}; "
                              "the state has been modified since the plan was created")  # fmt: skip
            plan = document["plan"]
        renamed = any(artifact.get("dynamic_version") for artifact in bundle.tree.get("artifacts", {}).values())
        carries = tuple(map(int, self._version().split("."))) >= (1, 19, 0) and not renamed
        self.space.data |= {"planned": bool(saved), "wheel": not saved or carries}
        self.err.append(f"Uploading bundle files to {bundle.root_path}/files...")
        after = next((int(fail.partition(":")[2]) for fail in self.environ.get("FAKE_DATABRICKS_FAIL", "").split(",")
                      if fail.startswith("deploy:")), None)  # fmt: skip
        done = 0
        for path, entry in plan.items():
            key = path.removeprefix("resources.")
            if key.count(".") > 1 or entry["action"] == "skip":
                continue
            if after is not None and done == after:
                state["serial"] += 1
                self.space.save()
                raise Failure("Error: cannot create resources: 500 Internal Server Error")
            self._apply(bundle, key, entry["action"])
            done += 1
            state["serial"] += 1
        self.err.append(f"Resources: {done} changed")

    def bundle_bind(self, bundle: Bundle) -> None:
        """Take something that exists into the state."""
        key, identifier = self._key(bundle, self.words[3]), self.words[4]
        state = self._state(bundle)
        if self.space.remote(key, identifier) is None:
            raise Failure(f"Error: {key.partition('.')[0]} with an id '{identifier}' is not found")
        if key in state["resources"]:
            raise Failure("Error: Resource already managed")
        state["resources"][key] = identifier
        state["serial"] += 1

    def bundle_unbind(self, bundle: Bundle) -> None:
        """Forget something, and leave it there."""
        key = self._key(bundle, self.words[3])
        self._state(bundle)["resources"].pop(key, None)
        self._state(bundle)["serial"] += 1

    def bundle_destroy(self, bundle: Bundle) -> None:
        """Delete all that is in the state."""
        if "auto-approve" not in self.options:
            raise Failure("Error: please specify --auto-approve to skip interactive confirmation checks")
        for key, identifier in self._state(bundle)["resources"].items():
            self.space.data[_place(key)].pop(identifier, None)
        self.space.data["states"].pop(bundle.root_path, None)

    def bundle_run(self, bundle: Bundle) -> None:
        """Run a job: set-up and training leave their traces."""
        key = f"jobs.{self.words[2]}"
        self.space.data["params"] = self.options["params"]
        if key not in self._state(bundle)["resources"]:
            raise Failure(f"Error: {self.words[2]} is not deployed; run 'bundle deploy' first")
        catalog = bundle.resolve(bundle.names["var"]["catalog_name"])
        if key.endswith("setup_unity_catalog"):
            self.space.data["catalogs"][catalog] = {"bronze": ["source_entities"], "gold": ["matched_entities"]}
        if key.endswith("train_ditto_model"):
            register(self.space, bundle.resolve(bundle.names["var"]["model_name"]))

    def _key(self, bundle: Bundle, name: str) -> str:
        for key in bundle.resources:
            if key.partition(".")[2] == name:
                return key
        raise Failure(f"Error: no such resource: {name}")

    def _state(self, bundle: Bundle) -> dict[str, Any]:
        states: dict[str, Any] = self.space.data["states"]
        found: dict[str, Any] = states.setdefault(
            bundle.root_path, {"lineage": f"lineage-{len(states)}", "serial": 0, "resources": {}}
        )
        return found

    def _resolved(self, bundle: Bundle) -> dict[str, Any]:
        resources: dict[str, Any] = {}
        for key, resource in bundle.resources.items():
            kind, _, name = key.partition(".")
            resources.setdefault(kind, {})[name] = dict(resource)
        return {"bundle": bundle.names["bundle"], "workspace": {"root_path": bundle.root_path}, "resources": resources}

    def _plan(self, bundle: Bundle) -> dict[str, Any]:
        state: dict[str, str] = self._state(bundle)["resources"]
        plan: dict[str, Any] = {}
        for key, wanted in bundle.resources.items():
            there = self.space.remote(key, state[key]) if key in state else None
            plan[f"resources.{key}"] = entry = _difference(key, there, wanted)
            allowed = "skip" if there and there["permissions"] == wanted["permissions"] else "update"
            child = entry["action"] if entry["action"] == "create" else allowed
            plan[f"resources.{key}.permissions"] = {"action": child, "depends_on": [{"node": f"resources.{key}"}]}
        for key, identifier in state.items():
            if key not in bundle.resources:
                gone = {} if self.space.remote(key, identifier) else {"gone": True}
                plan[f"resources.{key}"] = {"action": "delete", **gone}
                plan[f"resources.{key}.permissions"] = {"action": "delete", "state_only": True}
        return plan

    def _apply(self, bundle: Bundle, key: str, action: str) -> None:
        state: dict[str, str] = self._state(bundle)["resources"]
        place = self.space.data[_place(key)]
        if action in ("delete", "recreate"):
            place.pop(state.pop(key), None)
        if action == "delete":
            return
        wanted = bundle.resources[key]
        if action in ("create", "recreate"):
            if key.startswith("jobs."):
                state[key] = str(self.space.data["next"])
                self.space.data["next"] += 1
            elif wanted["name"] in place:
                raise Failure(f"Error: Endpoint with name '{wanted['name']}' already exists.")
            else:
                state[key] = wanted["name"]
        place[state[key]] = {**wanted, "creator": self.space.data["user"]}

    # what the other commands do

    def do_version(self) -> None:
        """Tell the version."""
        self.out.append(f"Databricks CLI v{self._version()}")

    def do_current_user_me(self) -> None:
        """Tell the user."""
        self._tell({"userName": self.space.data["user"], "displayName": "First Last"})

    def do_jobs_get(self) -> None:
        """Tell one job."""
        job = self._there("jobs", self.words[2], f"Error: Job {self.words[2]} does not exist.")
        self._tell({"job_id": int(self.words[2]), "creator_user_name": job["creator"], "settings": job})

    def do_jobs_list(self) -> None:
        """Tell jobs of a name."""
        jobs = self.space.data["jobs"].items()
        self._tell([{"job_id": int(identifier), "settings": {"name": job["name"]}} for identifier, job in jobs
                    if job["name"] == self.options.get("name", job["name"])])  # fmt: skip

    def do_jobs_update(self) -> None:
        """Change one job."""
        given = json.loads(self.options["json"])
        job = self._there("jobs", str(given["job_id"]), f"Error: Job {given['job_id']} does not exist.")
        job.update(given["new_settings"])

    def do_serving_endpoints_get(self) -> None:
        """Tell one endpoint."""
        name = self.words[2]
        self._tell(self._there("endpoints", name, f"Error: Endpoint with name '{name}' does not exist."))

    def do_model_versions_get_by_alias(self) -> None:
        """Tell the version that has an alias."""
        name, alias = self.words[2:4]
        model = self._there("models", name, f"Error: Routine or Model '{name}' does not exist.")
        if alias not in model["aliases"]:
            raise Failure(f"Error: Alias '{alias}' does not exist.")
        self._tell({"model_name": name, "version": model["aliases"][alias]})

    def do_model_versions_list(self) -> None:
        """Tell all versions."""
        name = self.words[2]
        model = self._there("models", name, f"Error: Model '{name}' does not exist.")
        self._tell([{"version": version} for version in model["versions"]])

    def do_model_versions_delete(self) -> None:
        """Delete one version."""
        self.space.data["models"][self.words[2]]["versions"].remove(int(self.words[3]))

    def do_registered_models_delete(self) -> None:
        """Delete a model without versions."""
        name = self.words[2]
        if self._there("models", name, f"Error: Model '{name}' does not exist.")["versions"]:
            raise Failure("Error: the model is not empty")
        del self.space.data["models"][name]

    def do_schemas_list(self) -> None:
        """Tell the schemas of a catalog."""
        name = self.words[2]
        schemas = self._there("catalogs", name, f"Error: Catalog '{name}' does not exist.")
        self._tell([{"name": schema} for schema in (*schemas, "information_schema")])

    def do_tables_list(self) -> None:
        """Tell the tables of a schema."""
        catalog, schema = self.words[2:4]
        tables = self.space.data["catalogs"][catalog][schema]
        self._tell([{"name": table, "full_name": f"{catalog}.{schema}.{table}"} for table in tables])

    def do_catalogs_delete(self) -> None:
        """Delete a catalog with all that is in it."""
        self._there("catalogs", self.words[2], f"Error: Catalog '{self.words[2]}' does not exist.")
        if "force" not in self.options:
            raise Failure("Error: Catalog is not empty")
        del self.space.data["catalogs"][self.words[2]]

    def _there(self, place: str, name: str, message: str) -> Any:
        found = self.space.data[place].get(name)
        if found is None:
            raise Failure(message)
        return found

    def _version(self) -> str:
        return self.environ.get("FAKE_DATABRICKS_VERSION", "1.27.0")

    def _tell(self, value: Any) -> None:
        self.out.append(json.dumps(value, indent=2))


def register(space: Workspace, model: str) -> None:
    """Register one more version of a model, and make it the champion."""
    found = space.data["models"].setdefault(model, {"aliases": {}, "versions": []})
    found["versions"].append(len(found["versions"]) + 1)
    found["aliases"]["champion"] = found["versions"][-1]
    space.save()


def _difference(key: str, there: dict[str, Any] | None, wanted: dict[str, Any]) -> dict[str, Any]:
    if there is None:
        return {"action": "create", "new_state": {"value": wanted}}
    fields = [field for field in wanted if field != "permissions" and there.get(field) != wanted[field]]
    if not fields:
        return {"action": "skip"}
    action = "recreate" if "name" in fields and key.startswith("model_serving_endpoints.") else "update"
    return {"action": action, "changes": {field: {"action": action} for field in fields}, "remote_state": there}


def _gracefully(*_signal: Any) -> None:
    sys.stderr.write("Operation interrupted. Gracefully shutting down...\n")
    (Path(os.environ["FAKE_DATABRICKS"]) / "ended gracefully").touch()
    sys.exit(130)


def main(argv: list[str], environ: Mapping[str, str], cwd: Path) -> tuple[int, str, str]:
    """Run the program; return its exit code, and what it writes on stdout and stderr."""
    program = None
    try:
        program = Program(argv, environ, cwd)
        program.run()
    except Failure as failure:
        told = program.err if program is not None else []
        return 1, "", "\n".join([*told, str(failure)]) + "\n"
    return 0, "\n".join(program.out) + "\n", "".join(f"{line}\n" for line in program.err)


if __name__ == "__main__":
    code, out, err = main(sys.argv[1:], os.environ, Path.cwd())
    sys.stdout.write(out)
    sys.stderr.write(err)
    sys.exit(code)
