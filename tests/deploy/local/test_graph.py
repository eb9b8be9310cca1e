"""Graphs of tasks as processes; what the processes do is played by a script."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from entity_matching.deploy.local import graph
from entity_matching.deploy.local.graph import Graph
from entity_matching.deploy.local.records import DONE, FAILED, RUNNING, SKIPPED, STOPPED, TIMED_OUT, Attempt
from entity_matching.deploy.local.task import Task

# writes when it began and ended, and does what its arguments say
PLAY = """
import json, pathlib, sys, time
name, how, *rest = sys.argv[1:]
here = pathlib.Path("played")
here.mkdir(exist_ok=True)
tries = len(list(here.glob(f"{name}.*.begun")))
(here / f"{name}.{tries}.begun").write_text(str(time.monotonic()))
if how == "sleep":
    time.sleep(float(rest[0]))
if how == "fail" and tries < int(rest[0]):
    sys.exit("Error: it broke. Mend it.")
if how == "wrong":
    sys.exit(2)
(here / f"{name}.ended").write_text(str(time.monotonic()))
print(json.dumps({"records": 3}))
"""
Run = Callable[..., dict[str, str]]


class Played:
    """Runs graphs whose tasks are played; remembers what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.attempts = folder, dict[str, Attempt]()
        (folder / "played_task.py").write_text(PLAY)

    def run(self, *tasks: Task, how: dict[str, list[str]], timeout_s: float = 0) -> dict[str, str]:
        """Run tasks; ``how`` says what each does."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        arguments = {task.key: how.get(task.key, ["well"]) for task in tasks}
        made = Graph({task.key: task for task in tasks}, arguments, self.folder, self.folder, environment,
                     self.attempts.__setitem__, timeout_s)  # fmt: skip
        return made.run()

    def time(self, name: str) -> float:
        """Return when a task began (``name.0.begun``) or ended (``name.ended``)."""
        return float((self.folder / "played" / name).read_text())

    def tries(self, name: str) -> int:
        """Return how often a task was begun."""
        return len(list((self.folder / "played").glob(f"{name}.*.begun")))


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    monkeypatch.setattr(graph, "_MODULE", "played_task")
    monkeypatch.setattr(graph, "GRACE_S", 1.0)
    return Played(tmp_path)


def test_a_task_waits_for_those_it_needs_and_others_run_beside_it(played: Played) -> None:
    tasks = [Task("a", "a"), Task("b", "b", depends_on=("a",)), Task("c", "c")]
    statuses = played.run(*tasks, how={"a": ["sleep", "1"], "c": ["sleep", "1"]})
    assert statuses == {"a": DONE, "b": DONE, "c": DONE}
    assert played.time("b.0.begun") > played.time("a.ended")
    assert played.time("c.0.begun") < played.time("a.ended")
    assert played.attempts["a"].figures == {"records": 3}


def test_a_task_that_fails_is_tried_again_after_its_pause(played: Played) -> None:
    statuses = played.run(Task("a", "a", retries=2, pause_s=0.3), how={"a": ["fail", "2"]})
    assert statuses == {"a": DONE} and played.tries("a") == 3
    assert played.time("a.1.begun") - played.time("a.0.begun") >= 0.3
    assert (played.folder / "a.log").read_text().count("== ") == 3


def test_what_needs_a_task_that_failed_is_left_out_and_the_rest_is_done(played: Played) -> None:
    tasks = [Task("a", "a", retries=1), Task("b", "b", depends_on=("a",)), Task("c", "c", depends_on=("b",)),
             Task("d", "d")]  # fmt: skip
    statuses = played.run(*tasks, how={"a": ["fail", "9"]})
    assert statuses == {"a": FAILED, "b": SKIPPED, "c": SKIPPED, "d": DONE}
    assert played.tries("a") == 2 and played.tries("b") == 0
    assert played.attempts["a"].message == "it broke. Mend it."


def test_a_task_that_was_called_wrongly_is_not_tried_again(played: Played) -> None:
    assert played.run(Task("a", "a", retries=5), how={"a": ["wrong"]}) == {"a": FAILED}
    assert played.tries("a") == 1


@pytest.mark.parametrize("again", [False, True])
def test_a_task_that_takes_too_long_is_stopped(played: Played, again: bool) -> None:
    task = Task("a", "a", retries=1, timeout_s=0.5, retries_timeout=again)
    assert played.run(task, how={"a": ["sleep", "60"]}) == {"a": TIMED_OUT}
    assert played.attempts["a"].number == 1 + again
    assert not _alive(played.attempts["a"].pid)


def test_a_job_that_takes_too_long_is_stopped(played: Played) -> None:
    tasks = [Task("a", "a"), Task("b", "b", depends_on=("a",))]
    statuses = played.run(*tasks, how={"a": ["sleep", "60"]}, timeout_s=0.5)
    assert statuses == {"a": TIMED_OUT, "b": SKIPPED}


def test_what_a_long_task_is_at_is_told(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "BEAT_S", 0.3)
    (played.folder / "played_task.py").write_text(
        "import sys, time\nsys.stderr.write('2026-01-01 00:00:00,1 INFO Ditto, pass 1/2\\n')\ntime.sleep(1.5)\n"
    )
    told: list[tuple[str, float, str]] = []
    environment = {**os.environ, "PYTHONPATH": str(played.folder)}
    made = Graph({"a": Task("a", "a")}, {"a": []}, played.folder, played.folder, environment, lambda *_: None, 0,
                 lambda *given: told.append(given))  # fmt: skip
    assert made.run() == {"a": DONE}
    assert told[-1][0] == "a" and told[-1][1] > 0.3 and told[-1][2] == "Ditto, pass 1/2"
    assert [seconds for _, seconds, _ in told] == sorted(seconds for _, seconds, _ in told)


def test_whatever_interrupts_a_graph_no_process_is_left(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(1.0, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        played.run(Task("a", "a"), how={"a": ["sleep", "60"]})
    assert played.attempts["a"].status == STOPPED
    assert not _alive(played.attempts["a"].pid)


def test_a_task_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import sys, time, types\n"
        "import entity_matching.deploy.local.entry as entry\n"
        "entry.find_job = lambda name: types.SimpleNamespace(main=lambda argv: time.sleep(60))\n"
        "entry.main(['exact-match'])\n"
    )
    process = subprocess.Popen([sys.executable, str(tmp_path / "slow.py")], stdin=subprocess.PIPE)
    time.sleep(0.5)
    assert process.poll() is None
    assert process.stdin is not None
    process.stdin.close()  # what the operating system does when the other process is gone
    assert process.wait(20) == 143


def _alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_beginning_is_told_before_the_end(played: Played) -> None:
    seen: list[str] = []
    tasks = {"a": Task("a", "a")}
    environment = {**os.environ, "PYTHONPATH": str(played.folder)}
    Graph(
        tasks, {"a": ["well"]}, played.folder, played.folder, environment, lambda _, one: seen.append(one.status)
    ).run()
    assert seen == [RUNNING, DONE]
