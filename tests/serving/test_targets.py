from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.serving import targets
from entity_matching.serving.client import EndpointError
from entity_matching.serving.settings import ServingSettings
from entity_matching.serving.targets import Place


class Workspace:
    """A workspace with one endpoint, ``ditto-em-dev``, which gets ready at the third look."""

    def __init__(self) -> None:
        self.looks = 0
        self.calls: list[tuple[str, str | None, Any]] = []
        workspace = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self, answer: Any, status: int = 200) -> None:
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                workspace.calls.append((self.path, self.headers["authorization"], None))
                if self.path != "/api/2.0/serving-endpoints/ditto-em-dev":
                    self._answer({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such endpoint"}, 404)
                    return
                workspace.looks += 1
                ready = "READY" if workspace.looks > 2 else "NOT_READY"
                entities = [{"entity_name": "c.models.m", "entity_version": "7"}]
                self._answer({"name": "ditto-em-dev", "state": {"ready": ready, "config_update": "NOT_UPDATING"},
                              "config": {"served_entities": entities}})  # fmt: skip

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                workspace.calls.append((self.path, self.headers["authorization"], body))
                self._answer({"predictions": [{"prediction": 1, "confidence": 0.9}]})

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    found = Workspace()
    Thread(target=found.server.serve_forever, daemon=True).start()
    config = tmp_path / "databrickscfg"
    config.write_text(f"[dev]\nhost = {found.url}\ntoken = dapi-dev\n[other]\nhost = {found.url}\ntoken = dapi-other\n")
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(config))
    monkeypatch.setattr(targets, "LOOK_EVERY", 0.01)
    yield found
    found.server.shutdown()
    found.server.server_close()


def place(tmp_path: Path, target: str = "dev", **more: Any) -> Place:
    return Place(target, ServingSettings(lakehouse=LakehouseSettings(home=tmp_path)), **more)


def environment(tmp_path: Path) -> dict[str, str]:
    return {"DATABRICKS_CONFIG_FILE": str(tmp_path / "databrickscfg")}


def test_an_endpoint_on_databricks_is_waited_for(workspace: Workspace, tmp_path: Path) -> None:
    told: list[str] = []
    found = place(tmp_path).wait(environment(tmp_path), 30, told.append)
    assert (found["status"], found["model_version"], found["name"]) == ("ready", "7", "ditto-em-dev")
    assert len(told) == 1 and "starting" in told[0]


def test_waiting_ends(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="starting"):
        place(tmp_path).wait(environment(tmp_path), 0, lambda _: None)


@pytest.mark.parametrize(("profile", "token"), [(None, "dapi-dev"), ("other", "dapi-other")])
def test_pairs_go_to_databricks_with_the_login_of_the_profile(
    workspace: Workspace, tmp_path: Path, profile: str | None, token: str
) -> None:
    client = place(tmp_path, profile=profile).client(environment(tmp_path), lambda _: None)
    payload = {"dataframe_records": [{"left_entity": "{}", "right_entity": "{}"}]}
    assert client.invoke(payload)["predictions"][0]["prediction"] == 1
    path, authorization, body = workspace.calls[-1]
    assert path == "/serving-endpoints/ditto-em-dev/invocations"
    assert authorization == f"Bearer {token}"
    assert body == payload


def test_an_endpoint_that_is_not_deployed_is_told(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="phase 2") as error:
        place(tmp_path, "staging", profile="dev").status(environment(tmp_path))
    assert error.value.status == 404


def test_without_a_login_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(EntityMatchingError, match="databricks auth login --profile dev"):
        place(tmp_path).status(environment(tmp_path))


def test_an_endpoint_of_this_machine_that_does_not_run_is_told(tmp_path: Path) -> None:
    here = place(tmp_path, "local")
    assert here.status({})["status"] == "stopped"
    with pytest.raises(EndpointError, match="endpoint start"):
        here.client({}, lambda _: None)


def test_the_token_is_taken_from_the_environment(tmp_path: Path) -> None:
    elsewhere = place(tmp_path, "local", url="http://127.0.0.1:1")
    client = elsewhere.client({"ENTITY_MATCHING_TOKEN": "em_y"}, lambda _: None)
    assert dict(client.headers()) == {"authorization": "Bearer em_y"}
    assert elsewhere.status({})["status"] == "starting"


def test_an_update_that_failed_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = SimpleNamespace(
        ready=SimpleNamespace(value="NOT_READY"), config_update=SimpleNamespace(value="UPDATE_FAILED")
    )
    fake = SimpleNamespace(
        serving_endpoints=SimpleNamespace(get=lambda _: SimpleNamespace(state=state, config=None)),
        config=SimpleNamespace(host="https://w"),
    )
    monkeypatch.setattr(Place, "_workspace", lambda *_: fake)
    with pytest.raises(EndpointError, match="failed to deploy"):
        place(tmp_path).wait({}, 60, lambda _: None)
