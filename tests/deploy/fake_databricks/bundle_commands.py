"""What ``databricks bundle`` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.deploy.fake_databricks.bundle import Bundle
from tests.deploy.fake_databricks.call import Call
from tests.deploy.fake_databricks.workspace import Failure, place, register


class BundleCommands(Call):
    """The commands of ``databricks bundle``."""

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
            self.space.data[place(key)].pop(identifier, None)
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
        members = self.space.data[place(key)]
        if action in ("delete", "recreate"):
            members.pop(state.pop(key), None)
        if action == "delete":
            return
        wanted = bundle.resources[key]
        if action in ("create", "recreate"):
            if key.startswith("jobs."):
                state[key] = str(self.space.data["next"])
                self.space.data["next"] += 1
            elif wanted["name"] in members:
                raise Failure(f"Error: Endpoint with name '{wanted['name']}' already exists.")
            else:
                state[key] = wanted["name"]
        members[state[key]] = {**wanted, "creator": self.space.data["user"]}


def _difference(key: str, there: dict[str, Any] | None, wanted: dict[str, Any]) -> dict[str, Any]:
    if there is None:
        return {"action": "create", "new_state": {"value": wanted}}
    fields = [field for field in wanted if field != "permissions" and there.get(field) != wanted[field]]
    if not fields:
        return {"action": "skip"}
    action = "recreate" if "name" in fields and key.startswith("model_serving_endpoints.") else "update"
    return {"action": action, "changes": {field: {"action": action} for field in fields}, "remote_state": there}
