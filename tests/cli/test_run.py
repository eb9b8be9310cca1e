"""``entity-matching run``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import named
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.lakehouse.lock import exclusive_run

Command = Callable[..., Any]

FIGURES = {
    "run_id": "r1",
    "decisions": {"match": 1_200, "no_match": 0},
    "shares": {"null_share": 0.123456, "nothing": None},
    "notes": [],
    "made": ["gold.a", "gold.b"],
    "files": [{"origin": "a.csv", "rows": 3}, {"origin": "b.csv", "rows": 4, "new": True}],
    "evaluation": {"records": 5, "f1": {"value": 0.98, "low": None}},
    "folder": Path("/models/m1"),
}


class Fake:
    """Stands for a job."""

    description = "Does nothing."

    def __init__(self) -> None:
        self.arguments: list[str] = []

    def run(self, argv: Sequence[str], *, progress: Any = None) -> dict[str, Any]:
        """Remember the arguments."""
        self.arguments = list(argv)
        if "--fail" in argv:
            raise EntityMatchingError("It broke.", remedy="Mend it.")
        return FIGURES


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    job = Fake()
    monkeypatch.setattr(named, "find_job", lambda name: job)
    return job


def test_parameters_are_handed_on(command: Command, fake: Fake) -> None:
    assert command("run", "exact-match", "--", "--full", "--wait", "5").code == 0
    assert fake.arguments == ["--full", "--wait", "5"]
    assert command("run", "exact-match", "--home", "x", "--full=true").code == 0
    assert fake.arguments == ["--home", "x", "--full=true"]
    # after -- even what the command itself knows is the job's
    assert command("run", "exact-match", "--", "--json").code == 0
    assert fake.arguments == ["--json"]


def test_figures_are_shown_as_tables(command: Command, fake: Fake) -> None:
    out = command("run", "exact-match").out
    rows = [[cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")] for line in out.splitlines()]
    assert ["decisions", "match 1,200, no match 0"] in rows
    assert ["shares", "null share 0.1235, nothing –"] in rows
    assert ["notes", "none"] in rows and ["made", "gold.a, gold.b"] in rows
    assert ["1", "a.csv", "3", "–"] in rows and ["2", "b.csv", "4", "yes"] in rows
    assert ["evaluation records", "5"] in rows and ["evaluation f1", "value 0.98, low –"] in rows
    assert "Done in" in out


def test_json_holds_the_figures_alone(command: Command, fake: Fake) -> None:
    done = command("run", "exact-match", "--json")
    assert json.loads(done.out) == {**FIGURES, "folder": "/models/m1"}
    assert "decisions" in done.err


def test_a_job_that_fails_says_why(command: Command, fake: Fake) -> None:
    done = command("run", "exact-match", "--", "--fail")
    assert (done.code, done.out, done.err) == (1, "", "Error: It broke. Mend it.\n")


def test_an_unknown_job_is_wrong_use_and_names_those_there_are(command: Command) -> None:
    done = command("run", "nonsense")
    assert done.code == 2
    assert "no job 'nonsense'" in " ".join(done.err.split())
    for name in ("train-ditto-model", "generate-metrics"):
        assert name in done.err


def test_without_a_name_the_jobs_are_listed(command: Command, fake: Fake) -> None:
    done = command("run")
    assert done.code == 0
    assert all(name in done.out for name in named.MODULES) and "Does nothing." in done.out
    assert json.loads(command("run", "--json").out)["jobs"]["exact-match"] == "Does nothing."


def test_the_parameters_of_a_job_are_explained(command: Command) -> None:
    done = command("run", "train-ditto-model", "--", "--help")
    assert done.code == 0
    assert "--evaluation-share" in done.out


def test_wrong_parameters_are_refused(command: Command, tmp_path: Path) -> None:
    assert command("run", "train-ditto-model", "--", "--nonsense", "1").code == 2
    done = command("run", "train-ditto-model", "--home", tmp_path, "--epochs", "none")
    assert done.code == 1 and "--epochs" in done.err


@pytest.mark.spark
def test_a_job_says_what_it_does_and_keeps_others_away(command: Command, tmp_path: Path) -> None:
    done = command("run", "train-ditto-model", "--home", tmp_path)
    assert done.code == 1 and "setup-unity-catalog" in done.err
    assert command("run", "setup-unity-catalog", "--home", tmp_path).code == 0
    with exclusive_run(LakehouseSettings(home=tmp_path)):
        done = command("run", "setup-unity-catalog", "--home", tmp_path)
    assert done.code == 1 and "Another run on the catalog 'entity_matching' is going on" in done.err
