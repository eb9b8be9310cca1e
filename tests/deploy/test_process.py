from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from entity_matching.deploy.process import run

OWN = dict(os.environ)


def test_what_a_program_writes_and_how_it_ends(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys, os; print(os.getcwd()); print('one\\n\\ntwo', file=sys.stderr); sys.exit(3)"
    ended = run([sys.executable, "-c", code], tmp_path, OWN, lines.append)
    assert (ended.code, ended.out.strip(), lines) == (3, str(tmp_path), ["one", "two"])
    assert ended.err == "one\n\ntwo\n"


def test_much_on_both_streams_at_once(tmp_path: Path) -> None:
    code = "import sys\nfor _ in range(3000): print('x' * 99); print('y' * 99, file=sys.stderr)"
    ended = run([sys.executable, "-c", code], tmp_path, OWN)
    assert len(ended.out) == len(ended.err) == 300_000


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        run([str(tmp_path / "nowhere")], tmp_path, OWN)


CHILD = """
import signal, sys, time
def end(*_):
    open("ended", "w").write("gracefully")
    sys.exit(130)
signal.signal(signal.SIGINT, end)
open("started", "w").close()
while True:  # one long sleep would outlast a signal that comes just before it
    time.sleep(0.05)
"""
PARENT = """
import os, signal, sys
from pathlib import Path
from entity_matching.deploy.process import run
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
run([sys.executable, "-c", sys.argv[2]], Path(sys.argv[1]), dict(os.environ))
"""


def test_an_interrupted_program_ends_by_itself(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), CHILD], stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    assert (tmp_path / "ended").read_text() == "gracefully"
