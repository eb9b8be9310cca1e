from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from entity_matching.deploy.root_file import BEFORE, NAME, RootFile, find_root
from entity_matching.errors import EntityMatchingError, InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with the files of two phases."""
    for phase in (1, 2):
        (tmp_path / f"databricks-phase{phase}.yml").write_text(f"phase: {phase}\n")
    return tmp_path


def test_it_is_a_copy_while_shown_and_gone_again_afterwards(root: Path) -> None:
    with RootFile(root).held() as file:
        file.show(1)
        assert (root / NAME).read_text() == "phase: 1\n"
    assert not (root / NAME).exists() and not (root / BEFORE).exists()


def test_what_was_there_comes_back_byte_for_byte(root: Path) -> None:
    before = b"# m\xfcller, latin-1\r\nkey: value\r\n"
    (root / NAME).write_bytes(before)
    with pytest.raises(ValueError, match="something"), RootFile(root).held() as file:
        file.show(2)
        file.show(1)
        raise ValueError("something")
    assert (root / NAME).read_bytes() == before


def test_it_stays_when_that_is_said(root: Path) -> None:
    with RootFile(root).held() as file:
        file.show(1)
        file.show(2)
        file.keep()
    assert (root / NAME).read_text() == "phase: 2\n" and not (root / BEFORE).exists()


def test_two_at_once_are_refused(root: Path) -> None:
    with RootFile(root).held(), pytest.raises(EntityMatchingError, match="Another deployment"), RootFile(root).held():
        pass


KILLED = """
import sys, time
from pathlib import Path
from entity_matching.deploy.root_file import RootFile
with RootFile(Path(sys.argv[1])).held() as file:
    file.show(2)
    print("shown", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_one_left_is_mended_by_the_next(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / NAME).write_text("mine: 1\n")
    with subprocess.Popen([sys.executable, "-c", KILLED, str(root)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "shown\n"
        os.kill(process.pid, signal.SIGKILL)
    assert (root / NAME).read_text() == "phase: 2\n"
    with RootFile(root).held():
        assert (root / NAME).read_text() == "mine: 1\n"
    assert "was killed" in caplog.text and not (root / BEFORE).exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", json.dumps({"pid": 1})])
def test_a_leftover_that_cannot_be_read_changes_nothing(root: Path, damage: str) -> None:
    (root / NAME).write_text("mine: 1\n")
    (root / BEFORE).write_text(damage)
    with RootFile(root).held():
        pass
    assert (root / NAME).read_text() == "mine: 1\n" and not (root / BEFORE).exists()


def test_without_the_phases_file_it_is_left_alone(root: Path) -> None:
    with RootFile(root).held() as file, pytest.raises(InputError, match="databricks-phase3.yml"):
        file.show(3)
    assert not (root / NAME).exists()


def test_the_root_is_found_from_below(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    below = root / "resources" / "deeper"
    below.mkdir(parents=True)
    assert find_root(below) == root
    with pytest.raises(InputError, match="databricks-phase1.yml"):
        find_root(tmp_path_factory.mktemp("elsewhere"))


def test_it_is_never_seen_half(root: Path) -> None:
    for phase in (1, 2):
        (root / f"databricks-phase{phase}.yml").write_text(f"phase: {phase}\n" * 20_000)
    code = (
        "import sys\nfrom pathlib import Path\nfrom entity_matching.deploy.root_file import RootFile\n"
        "root = Path(sys.argv[1])\nturn = 0\n"
        "with RootFile(root).held() as file:\n"
        "    while not (root / 'enough').exists():\n        turn += 1\n        file.show(turn % 2 + 1)\n"
    )
    seen: list[bytes] = []
    with subprocess.Popen([sys.executable, "-c", code, str(root)]) as process:
        while len(seen) < 100 and process.poll() is None:
            if (root / NAME).exists():
                seen.append((root / NAME).read_bytes())
                time.sleep(0.001)
        (root / "enough").touch()
    assert len(seen) == 100
    assert set(seen) <= {(root / f"databricks-phase{phase}.yml").read_bytes() for phase in (1, 2)}
