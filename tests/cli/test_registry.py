"""``entity-matching models``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from entity_matching.cli import lakehouses
from entity_matching.cli.main import run
from entity_matching.jobs import compare_models, models
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.versions import Versions


@pytest.fixture
def home(two_versions: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(two_versions, tmp_path / "home"))


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(home: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            run(["models", *arguments, "--home", str(home)])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return called


def as_json(call: Call, *arguments: str) -> Any:
    code, out, err = call(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_the_list_says_what_is_in_force_and_what_the_gate_said(call: Call, home: Path) -> None:
    models.model_folder(LakehouseSettings(home=home))
    code, out, _ = call("list")
    assert code == 0
    assert "champion" in out and "worse: F1 -0.1" in out and "ann" in out
    told = as_json(call, "list")
    second, first = told["versions"]
    assert (first["version"], first["aliases"], first["state"], first["f1"]) == ("1", ["champion"], "ready", 0.9)
    assert second["tags"]["verdict"] == "refused"


def test_the_list_names_what_cannot_be_used(call: Call, home: Path) -> None:
    with Versions.open(LakehouseSettings(home=home)) as versions:
        name, source = versions.location.model, versions.get("1").source
        versions.client.create_model_version(name, source)
        experiment = versions.client.get_experiment_by_name(versions.location.experiment)
        assert experiment is not None
        killed = versions.client.create_run(experiment.experiment_id).info.run_id
    _, out, _ = call("list")
    assert "Version 3 cannot be used: it is incomplete." in out
    assert f"The run {killed} was killed" in out


def test_a_version_is_promoted_and_gone_back_from(call: Call, home: Path) -> None:
    settings = LakehouseSettings(home=home)
    assert as_json(call, "promote", "challenger", "--by", "bea") == {"version": "2", "before": "1"}
    assert models.current(settings) == "2"
    assert as_json(call, "promote", "2") == {"version": "2", "before": "2"}
    code, out, _ = call("rollback", "--by", "cleo")
    assert code == 0 and "Version 1 is in force again in place of 2." in out
    assert models.current(settings) == "1"
    tags = as_json(call, "list")["versions"][0]["tags"]
    assert (tags["promoted_by"], tags["rolled_back_by"]) == ("bea", "cleo")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("promote", "9"), "no version 9"),
        (("promote", "canary"), "No version of entity_matching.models.entity_matching_ditto is called 'canary'"),
        (("rollback",), "only version 1 ever was in force"),
    ],
)
def test_what_cannot_be_done_is_said(call: Call, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (1, "")
    assert message in " ".join(err.split())


def test_without_a_registry_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    with pytest.raises(SystemExit) as end:
        run(["models", "list", "--home", str(empty)])
    assert end.value.code == 0 and "No model is registered yet" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        run(["models", "rollback", "--home", str(empty)])
    assert end.value.code == 1 and "train-ditto-model" in capsys.readouterr().err
    assert not empty.exists()


def test_a_registered_model_goes_by_its_name_in_other_commands(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The models here are no matchers, so that what reads them says which one it found."""
    monkeypatch.setenv("ENTITY_MATCHING_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    address = "models:/entity_matching.models.entity_matching_ditto@challenger"
    for name, number in (("champion", "1"), ("2", "2"), (address, "2")):
        with pytest.raises(SystemExit):
            run(["describe", name])
        assert f"models/{number}/model.json cannot be read" in "".join(capsys.readouterr().err.split("\n"))
    with pytest.raises(SystemExit):
        run(["describe", "folder"])
    assert "There is no model in folder" in capsys.readouterr().err


class Compared:
    """Stands for the job: says what it was called with, and what it found."""

    def __init__(self, changed: int) -> None:
        self.changed = changed
        self.given: list[str] = []

    def run(self, given: list[str], **_more: Any) -> dict[str, Any]:
        """Return figures."""
        self.given = given
        changes = {"match to review": self.changed} if self.changed else {}
        return {
            "run_id": "r1", "champion": "1", "challenger": "2", "compared_run": "night", "records": 80,
            "changed": self.changed, "changes": changes,
        }  # fmt: skip


@pytest.mark.parametrize("changed", [0, 3])
def test_a_comparison_shows_what_would_change(call: Call, monkeypatch: pytest.MonkeyPatch, changed: int) -> None:
    job = Compared(changed)
    rows = [
        {
            "source_system": "crm", "source_id": "S7", "champion_decision": "match", "champion_entity_id": "E1",
            "champion_confidence": 0.91, "challenger_decision": "review", "challenger_entity_id": "E1",
            "challenger_confidence": 0.62, "challenger_reason": "names differ [a bit]",
        }
    ]  # fmt: skip
    monkeypatch.setattr(compare_models, "JOB", job)
    monkeypatch.setattr(compare_models, "changed_rows", lambda _lake, run_id, limit: rows if run_id == "r1" else [])
    monkeypatch.setattr(lakehouses, "opened", nullcontext)
    code, out, err = call("compare", "2", "--with", "1", "--records", "90")
    assert code == 0, err
    assert f"version 2 decides {changed} otherwise than version 1" in " ".join(out.split())
    assert job.given[:3] == ["--champion=1", "--challenger=2", "--records=90"]
    assert (
        ("names differ [a bit]" in out) is ("match to review" in out) is ("model_comparisons" in out) is bool(changed)
    )
