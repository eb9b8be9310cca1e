from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entity_matching.files import read_table
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.serving.background import stop
from entity_matching.serving.settings import ServingSettings
from entity_matching.serving.targets import TOKEN_VARIABLE

if TYPE_CHECKING:
    from tests.cli.conftest import Command

COMPANIES = Path(__file__).parents[2] / "examples" / "companies"
NAME = "company_name"


@pytest.fixture(scope="module")
def home(servable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a home with a reference and a model; whatever endpoint runs of it is stopped at the end."""
    home = shutil.copytree(servable, tmp_path_factory.mktemp("place") / "home")
    lakehouse = LakehouseSettings(home=home)
    yield lakehouse.home
    stop(ServingSettings(lakehouse=lakehouse), 30, force=True)


@pytest.mark.spark
def test_an_endpoint_is_started_asked_and_stopped(
    home: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTITY_MATCHING_HOME", str(home))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert command("endpoint", "status").code == 1
    started = command("endpoint", "start", "--port", 0, "--set", "refresh_s=1", "--json")
    assert started.code == 0, started.err
    assert "endpoint token create" in started.err
    url = json.loads(started.out)["url"]
    assert "runs already" in command("endpoint", "start").out
    assert json.loads(command("endpoint", "status", "--json").out)["status"] == "ready"
    assert json.loads(command("endpoint", "wait", "--json").out)["model_version"] == "1"

    refused = command("endpoint", "query", "--record", json.dumps({NAME: "BP"}))
    assert refused.code == 1 and TOKEN_VARIABLE in refused.err
    token = command("endpoint", "token", "create", "me")
    assert token.out.startswith("em_") and len(token.out.split()) == 1
    assert token.out.strip() not in command("endpoint", "token", "list").out
    monkeypatch.setenv(TOKEN_VARIABLE, token.out.strip())

    first = read_table(COMPANIES / "reference.csv").slice(0, 3)
    names = first[NAME].to_pylist()
    one = json.loads(command("endpoint", "query", "--record", json.dumps({NAME: names[0]}), "--json").out)
    assert one["results"][0]["entity_id"] == first["company_id"][0].as_py()
    assert one["model_version"] == "1" and one["reference_version"]
    table = tmp_path / "records.csv"
    table.write_text(f"source_id,{NAME},unknown\n" + "".join(f'S{n},"{name}",x\n' for n, name in enumerate(names)))
    many = json.loads(command("endpoint", "query", table, "--batch", 2, "--candidates", 1, "--json").out)
    assert [row["entity_id"] for row in many["results"]] == first["company_id"].to_pylist()
    assert [row["source_key"] for row in many["results"]] == ["S0", "S1", "S2"]
    assert "S1" in command("endpoint", "query", table).out

    sides = [json.dumps({NAME: name}) for name in names[:2]]
    pair = json.loads(command("endpoint", "query", "--left", sides[0], "--right", sides[0], "--json").out)
    assert pair["predictions"][0]["prediction"] == 1
    pairs = tmp_path / "pairs.json"
    pairs.write_text(json.dumps([{"left_entity": {NAME: names[0]}, "right_entity": {NAME: name}} for name in names]))
    answers = json.loads(command("endpoint", "query", pairs, "--url", url, "--json").out)["predictions"]
    assert [answer["prediction"] for answer in answers] == [1, 0, 0]
    pairs.write_text(json.dumps({"dataframe_records": [{"left_entity": sides[0], "right_entity": sides[1]}]}))
    assert json.loads(command("endpoint", "query", pairs, "--json").out)["predictions"][0]["prediction"] == 0

    wrong = command("endpoint", "query", "--record", '{"nmae": "BP"}', "--json")
    assert wrong.code == 1 and "record 1" in wrong.err
    assert command("endpoint", "token", "revoke", "me").code == 0
    assert "token" in command("endpoint", "query", table).err
    assert "has stopped" in command("endpoint", "stop").out
    assert "does not run" in command("endpoint", "stop").out


def test_a_port_that_is_taken_is_told(home: Path, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("endpoint", "start", "--home", home, "--port", port)
    assert done.code == 1
    assert f"port {port}" in done.err and "--port" in done.err


def test_without_a_model_it_is_said_how_to_train_one(command: Command, tmp_path: Path) -> None:
    done = command("endpoint", "start", "--home", tmp_path, "--port", 0)
    assert done.code == 1
    assert "train-ditto-model" in done.err


def test_a_killed_endpoint_leaves_nothing_in_the_way(command: Command, tmp_path: Path) -> None:
    settings = ServingSettings(lakehouse=LakehouseSettings(home=tmp_path))
    settings.folder.mkdir()
    left = {"name": settings.name, "pid": os.getpid(), "host": "127.0.0.1", "port": 1, "workers": 1, "since": 0.0}
    (settings.folder / f"{settings.name}.json").write_text(json.dumps(left))
    assert json.loads(command("endpoint", "status", "--home", tmp_path, "--json").out)["status"] == "stopped"
    assert "does not run" in command("endpoint", "stop", "--home", tmp_path).out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("query",), "FILE"),
        (("query", "x.csv", "--record", "{}"), "FILE"),
        (("query", "--left", "{}"), "--right"),
        (("query", "--record", "[1]"), "JSON object"),
        (("query", "--record", "{"), "not JSON"),
        (("query", "--record", "{}", "-t", "dev"), "pairs only"),
        (("start", "--set", "queue"), "NAME=VALUE"),
        (("start", "--set", "queue=x"), "no number"),
        (("start", "--set", "host=x"), "NAME=VALUE"),
    ],
)
def test_wrong_use_is_told(command: Command, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = command("endpoint", *arguments, "--home", tmp_path)
    assert done.code == 2
    assert told in " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "JSON"),
        ("[]", "expected"),
        ('{"a": 1}', "records"),
        ('[{"left_entity": "{}"}]', "right_entity"),
        (None, "no such file"),
    ],
)
def test_a_file_that_is_no_question_is_told(command: Command, tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "question.json"
    if content is not None:
        path.write_text(content)
    done = command("endpoint", "query", path, "--home", tmp_path)
    assert done.code == 1
    assert told in done.err


def test_a_value_that_looks_like_a_setting_of_the_server_is_checked(command: Command, tmp_path: Path) -> None:
    done = command("endpoint", "start", "--home", tmp_path, "--set", "queue=0")
    assert done.code == 2 or "queue" in done.err
    assert "at least 1" in done.err


def test_tokens_are_listed_with_their_state(command: Command, tmp_path: Path) -> None:
    def call(*arguments: Any) -> Any:
        return command("endpoint", "token", *arguments, "--home", tmp_path)

    assert "no tokens" in call("list").out
    call("create", "old")
    call("revoke", "old")
    call("create", "boss", "--manage", "--days", 2)
    found = {row["name"]: row for row in json.loads(call("list", "--json").out)["tokens"]}
    assert found["old"]["state"] == "revoked"
    assert (found["boss"]["state"], found["boss"]["permission"]) == ("valid", "CAN_MANAGE")
    assert found["boss"]["expires"] > found["boss"]["created"]
    assert "boss" in call("create", "boss").err
    assert call("revoke", "none").code == 1
