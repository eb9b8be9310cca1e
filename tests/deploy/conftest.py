"""Fixtures: the bundle in a folder of its own, a workspace that is played, and commands run in this process."""

from __future__ import annotations

import json
import shutil
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.deploy.fake_databricks import program

from entity_matching.cli.main import run
from entity_matching.deploy import bundle, process, yaml_source

ROOT = Path(__file__).parents[2]
MODEL = "first_last_entity_matching_dev.models.entity_matching_ditto"


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Project:
    """A copy of the bundle, and the workspace that it is deployed to.

    ``environ``: the fake's environment variables, which may be changed between commands.
    """

    root: Path
    folder: Path
    fake: Any
    command: Callable[..., Done]
    environ: Any = field(repr=False)

    def deploy(self, phase: int, *options: str) -> Done:
        """Deploy a phase to dev."""
        return self.command("deploy", str(phase), "-t", "dev", "--root", self.root, *(options or ("--yes",)))

    def up_to(self, phase: int) -> None:
        """Deploy all phases up to one, with a model in between."""
        for number in range(1, phase + 1):
            done = self.deploy(number)
            assert done.code == 0, done.err
            if number == 1:
                self.train()

    def train(self) -> None:
        """Register one more version of the model, as champion."""
        self.fake.register(self.fake.Workspace(self.folder), MODEL)

    def fail(self, *commands: str) -> None:
        """Let some commands fail from now on."""
        self.environ.setenv("FAKE_DATABRICKS_FAIL", ",".join(commands))

    @property
    def space(self) -> dict[str, Any]:
        """What there is in the workspace."""
        found: dict[str, Any] = self.fake.Workspace(self.folder).data
        return found

    @property
    def calls(self) -> list[str]:
        """The commands that the program was given."""
        return list(self.space["calls"])

    @property
    def jobs(self) -> dict[str, str]:
        """The jobs' ids by the last words of their names; two of one name show as one key too few."""
        return {job["name"].rpartition(" - ")[2]: identifier for identifier, job in self.space["jobs"].items()}

    @property
    def managed(self) -> set[str]:
        """Keys of what is in the deployment's state."""
        return {key.partition(".")[2] for state in self.space["states"].values() for key in state["resources"]}

    @property
    def memory(self) -> dict[str, Any]:
        """What is remembered of dev."""
        path = self.root / ".entity-matching" / "deployments" / "dev.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    @property
    def phase_in_place(self) -> int | None:
        """The phase whose file ``databricks.yml`` is; ``None`` if there is no such file."""
        path = self.root / "databricks.yml"
        if not path.exists():
            return None
        same = [n for n in (1, 2, 3) if (self.root / f"databricks-phase{n}.yml").read_text() == path.read_text()]
        assert len(same) == 1, "databricks.yml is no phase's file"
        return same[0]

    @property
    def leftovers(self) -> list[str]:
        """Files of an unfinished deployment."""
        inner = self.root / ".entity-matching" / "deployments"
        return [path.name for path in (*self.root.glob(".databricks.yml.before"), *inner.glob("*.plan.json"))]


def play(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call the fake in this process in place of starting it."""

    def call(
        command: Sequence[str], folder: Path, environment: Mapping[str, str], tell: Callable[[str], None] | None = None
    ) -> process.Ended:
        code, out, err = program.main(list(command[1:]), environment, folder)
        for line in err.splitlines() if tell is not None else ():
            tell(line)  # type: ignore[misc]
        return process.Ended(code, out, err)

    monkeypatch.setattr(process, "run", call)


@pytest.fixture(scope="session")
def parsed() -> dict[tuple[str, str], Any]:
    """Return the bundle's files as they were read before: reading them is most of the time of these tests."""
    return {}


@pytest.fixture
def project(
    parsed: dict[tuple[str, str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Project:
    """Return a copy of the bundle, a workspace without anything, and the program on PATH, called in this process."""
    root, folder, programs = tmp_path / "project", tmp_path / "workspace", tmp_path / "bin"
    shutil.copytree(ROOT / "resources", root / "resources")
    for path in ROOT.glob("databricks-phase?.yml"):
        shutil.copy(path, root)
    programs.mkdir()
    script = programs / "databricks"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m {program.__name__} "$@"\n')
    script.chmod(0o755)
    for name in ("DATABRICKS_CONFIG_PROFILE", "ENTITY_MATCHING_HOME", "BUNDLE_VAR_model_version"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_DATABRICKS", str(folder))
    play(monkeypatch)
    read = yaml_source.read_yaml

    def read_once(path: Path, *, name: str) -> Any:
        key = name, path.read_text() if path.is_file() else ""
        if key not in parsed:
            parsed[key] = read(path, name=name)
        return parsed[key]

    monkeypatch.setattr(bundle, "read_yaml", read_once)
    preflight: Any = types.ModuleType(
        "entity_matching.deploy.preflight"
    )  # its own tests are elsewhere, and take longer
    preflight.checks = lambda bundle, root: []
    monkeypatch.setitem(sys.modules, "entity_matching.deploy.preflight", preflight)

    def command(*arguments: str | Path) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = end.value.code
        return Done(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return Project(root, folder, program, command, monkeypatch)
