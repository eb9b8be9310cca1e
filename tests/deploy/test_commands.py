"""The commands as somebody meets them: questions, interruptions, wrong use."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
WITHOUT_CHECKS = (
    "import sys, types\nchecks = types.ModuleType('entity_matching.deploy.preflight')\n"
    "checks.checks = lambda bundle, root: []\nsys.modules[checks.__name__] = checks\n"
    "from entity_matching.cli.main import run\nrun()"
)
"""What another process is to do; the checks, which build the wheel, have tests of their own."""
WAIT = 120.0


def answered(project: Any, monkeypatch: pytest.MonkeyPatch, answer: bool, *arguments: str) -> Any:
    """Run a command at a terminal, and answer its question."""
    asked: list[str] = []

    def confirm(question: str, **_options: Any) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr("typer.confirm", confirm)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    done = project.command(*arguments, "-t", "dev", "--root", project.root)
    assert len(asked) == 1
    return done._replace(err=asked[0] + done.err)


def test_a_no_changes_nothing_and_a_yes_deploys(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done = answered(project, monkeypatch, False, "deploy", "1")
    assert done.code == 1 and "Deploy phase 1 to dev?" in done.err and "Nothing was changed" in done.err
    assert project.space["jobs"] == {} and project.phase_in_place is None and project.memory == {}
    done = answered(project, monkeypatch, True, "deploy", "1")
    assert done.code == 0 and project.phase_in_place == 1


def test_what_is_deleted_is_part_of_the_question(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.up_to(2)
    done = answered(project, monkeypatch, False, "deploy", "1", "--allow-delete")
    assert "1 thing is deleted for good" in done.err and project.phase_in_place == 2
    assert answered(project, monkeypatch, False, "destroy").code == 1
    assert len(project.space["jobs"]) == 2 and project.phase_in_place == 2


@pytest.mark.parametrize("command", [["deploy", "1"], ["destroy"], ["destroy-data"]])
def test_without_a_terminal_nothing_is_done_unless_that_was_said(project: Any, command: list[str]) -> None:
    done = project.command(*command, "-t", "dev", "--root", project.root)
    assert done.code == 1 and "no terminal" in done.err and "--yes" in done.err
    assert project.calls == []


def test_what_to_do_next_ends_with_the_next_phase(project: Any) -> None:
    done = project.deploy(1)
    assert "entity-matching run setup_unity_catalog -t dev" in done.out
    assert "entity-matching run train_ditto_model -t dev" in done.out and "./deploy-phase.sh 2 dev" in done.out
    project.train()
    assert "./deploy-phase.sh 3 dev" in project.deploy(2).out
    done = project.deploy(3)
    assert "0 0 2 * * ? (UTC), is paused" in done.out and "entity-matching status -t dev" in done.out


def test_the_schedule_runs_when_its_variable_says_so(project: Any) -> None:
    project.up_to(2)
    done = project.deploy(3, "--yes", "--var", "pipeline_pause_status=UNPAUSED")
    assert "runs by its schedule" in done.out
    job = project.space["jobs"][project.jobs["Production Pipeline"]]
    assert job["schedule"]["pause_status"] == "UNPAUSED"


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["deploy", "4", "-t", "dev"], "no phase '4'", 2),
        (["deploy", "one", "-t", "dev"], "no phase 'one'", 2),
        (["deploy", "all", "-t", "dev", "--yes"], "target local only", 1),
        (["deploy", "1", "-t", "nowhere", "--yes"], "Targets are local, dev, staging, prod", 1),
        (["destroy", "-t", "nowhere", "--yes"], "no target 'nowhere'", 1),
        (["deploy", "1", "-t", "dev", "--yes", "--var", "catalog_name"], "NAME=VALUE", 2),
        (["deploy", "1", "-t", "dev", "--yes", "--var", "catalogue=x"], "catalogue", 1),
        (["deploy", "1", "-t", "dev", "--yes", "--root", "/"], "databricks-phase1.yml", 1),
    ],
)  # fmt: skip
def test_wrong_use_is_told(project: Any, arguments: list[str], said: str, code: int) -> None:
    root = [] if "--root" in arguments else ["--root", str(project.root)]
    done = project.command(*arguments, *root)
    assert done.code == code and said in " ".join(done.err.replace("│", " ").split())
    assert project.phase_in_place is None and project.space["jobs"] == {}


def test_a_check_that_fails_ends_it(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from entity_matching.deploy.check import Check  # noqa: PLC0415 - only here

    failed = [Check("names", True, "fine"), Check("schedule", False, "resources/a.yml:3: no time", "Correct it.")]
    monkeypatch.setattr(sys.modules["entity_matching.deploy.preflight"], "checks", lambda bundle, root: failed)
    done = project.deploy(1)
    assert done.code == 1 and "resources/a.yml:3: no time" in done.err and "Correct it." in done.err
    assert "bundle" not in " ".join(project.calls) and project.phase_in_place is None


@contextmanager
def started(project: Any, *arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a command as a process of its own, with the played program as another one."""
    environ = {**os.environ, "NO_COLOR": "1"}
    command = [sys.executable, "-c", WITHOUT_CHECKS, *arguments, "-t", "dev", "--root", str(project.root)]
    with subprocess.Popen(command, env=environ, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def until_it_hangs(project: Any, process: subprocess.Popen[str]) -> int:
    """Wait until the program hangs; return its process."""
    mark = project.folder / "hangs"
    end = time.monotonic() + WAIT
    while not (mark.exists() and mark.read_text()):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    return int(mark.read_text())


def until_it_waits(process: subprocess.Popen[str]) -> None:
    """Wait until a process reads what is typed: a signal between the question and that is heeded at the next key."""
    status = Path(f"/proc/{process.pid}/stat")
    still = 0
    while still < 5:
        time.sleep(0.1)
        asleep = not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "S"
        still = still + 1 if asleep else 0


def test_ctrl_c_in_the_deploy(project: Any) -> None:
    project.up_to(1)
    project.environ.setenv("FAKE_DATABRICKS_HANG", "deploy")
    with started(project, "deploy", "2", "--yes", stderr=subprocess.PIPE) as process:
        until_it_hangs(project, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=WAIT)
    assert process.returncode == 130 and "Traceback" not in err
    assert (project.folder / "ended gracefully").exists(), "the program could give its lock back"
    assert project.phase_in_place == 1 and project.leftovers == []
    assert (project.memory["phase"], project.memory["unfinished"]) == (1, 2)
    project.environ.delenv("FAKE_DATABRICKS_HANG")
    assert project.deploy(2).code == 0
    assert (project.memory["phase"], project.memory["unfinished"]) == (2, None)


def test_kill_in_a_rollback(project: Any) -> None:
    project.up_to(3)
    ids = project.jobs
    project.environ.setenv("FAKE_DATABRICKS_HANG", "unbind")
    with started(project, "deploy", "2", "--yes", stderr=subprocess.DEVNULL) as process:
        child = until_it_hangs(project, process)
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT)
    os.kill(child, signal.SIGKILL)
    project.environ.delenv("FAKE_DATABRICKS_HANG")
    assert project.leftovers == [".databricks.yml.before"]
    done = project.deploy(3)
    assert done.code == 0 and "was killed" in done.err
    assert project.phase_in_place == 3 and project.leftovers == []
    assert project.jobs == ids and len(project.space["jobs"]) == 4 and project.memory["kept"] == {}


def test_ctrl_c_at_the_question(project: Any) -> None:
    before, inner = pty.openpty()
    with started(project, "deploy", "1", stdin=inner, stdout=inner, stderr=inner, start_new_session=True) as process:
        os.close(inner)
        told = b""
        while b"[y/N]" not in told:
            told += os.read(before, 4096)
        assert (project.root / "databricks.yml").exists()
        until_it_waits(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT) == 130
    os.close(before)
    assert b"create" in told
    assert project.phase_in_place is None and project.leftovers == [] and project.memory == {}
    assert project.space["jobs"] == {}


def test_the_script_hands_over_to_the_command(project: Any) -> None:
    script = project.root / "deploy-phase.sh"
    shutil.copy(PROJECT / "deploy-phase.sh", script)
    (project.root / ".venv" / "bin").mkdir(parents=True)
    command = project.root / ".venv" / "bin" / "entity-matching"
    command.write_text('#!/bin/sh\npwd\nfor word in "$@"; do echo "<$word>"; done\n')
    command.chmod(0o755)
    done = subprocess.run(
        [script, "2", "dev", "--var", "a=b c"], capture_output=True, text=True, check=False, cwd=project.root.parent
    )
    told = [str(project.root), "<deploy>", "<2>", "<--target>", "<dev>", "<--var>", "<a=b c>"]
    assert done.stdout.splitlines() == told
    for wrong in ([], ["1"], ["1", "--yes"]):
        done = subprocess.run([script, *wrong], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "PHASE TARGET" in done.stderr
