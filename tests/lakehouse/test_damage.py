"""Homes that were damaged, moved, or are read while they are written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.staging import STALE
from entity_matching.lakehouse.tables import MATCH_HISTORY, MATCHED_ENTITIES
from entity_matching.lakehouse.writes import merge

if TYPE_CHECKING:
    from tests.lakehouse.conftest import Decisions

pytestmark = pytest.mark.spark

COUNT = """
import sys
from pathlib import Path
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import MATCHED_ENTITIES
with open_lakehouse(LakehouseSettings(home=Path(sys.argv[1]))) as lake:
    counts = {lake.read(MATCHED_ENTITIES).count() for _ in range(10)}
sys.stdout.write(" ".join(map(str, sorted(counts))))
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, decisions: Decisions) -> Path:
    """Return the home of a lakehouse with two decisions, to be copied."""
    home = tmp_path_factory.mktemp("whole")
    with open_lakehouse(LakehouseSettings(home=home)) as lake:
        lake.create()
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("1")))
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("2")))
    return home


@pytest.fixture(params=["home", "a home"])
def settings(request: pytest.FixtureRequest, whole: Path, tmp_path: Path) -> LakehouseSettings:
    """Return a copy of it, at a path that Sail takes as it is and at one it does not."""
    shutil.copytree(whole, tmp_path / request.param)
    return LakehouseSettings(home=tmp_path / request.param)


def _folder(settings: LakehouseSettings, name: str = MATCHED_ENTITIES.name) -> Path:
    return settings.warehouse / "gold" / name


def _count(settings: LakehouseSettings) -> int:
    with open_lakehouse(settings) as lake:
        lake.check()
        return int(lake.read(MATCHED_ENTITIES).count())


def _log(folder: Path) -> list[Path]:
    return sorted((folder / "_delta_log").glob("*.json"))


@pytest.mark.parametrize("content", ["", '{"add":{"pa'])
def test_a_last_entry_cut_short_is_named_and_what_is_advised_helps(settings: LakehouseSettings, content: str) -> None:
    last = _log(_folder(settings))[-1]
    last.write_text(content, encoding="utf-8")
    with pytest.raises(EntityMatchingError, match="gold.matched_entities in .*cannot be read.*last entry") as caught:
        _count(settings)
    assert str(_folder(settings)) in str(caught.value)
    last.unlink()
    last.with_suffix(".crc").unlink()
    assert _count(settings) == 1


@pytest.mark.parametrize("entry", [0, 1])
def test_an_entry_that_is_lost_is_told_of_its_table(settings: LakehouseSettings, entry: int) -> None:
    _log(_folder(settings))[entry].unlink()
    with pytest.raises(EntityMatchingError, match="gold.matched_entities in .*cannot be read: "):
        _count(settings)


def test_a_damaged_table_that_no_view_reads_is_named(settings: LakehouseSettings) -> None:
    _log(_folder(settings, MATCH_HISTORY.name))[0].write_text("garbage", encoding="utf-8")
    with pytest.raises(EntityMatchingError, match="gold.match_history in .*cannot be read"):
        _count(settings)
    with open_lakehouse(settings) as lake, pytest.raises(EntityMatchingError, match="gold.match_history"):
        lake.create()


@pytest.mark.parametrize("left", [None, b"PAR1 cut"])
def test_a_data_file_that_is_lost_or_cut_is_named(settings: LakehouseSettings, left: bytes | None) -> None:
    file = next(_folder(settings).glob("*.parquet"))
    for path in _folder(settings).glob("*.parquet"):
        path.unlink() if left is None else path.write_bytes(left)
    with pytest.raises(EntityMatchingError, match="missing or damaged") as caught, open_lakehouse(settings) as lake:
        lake.read(MATCHED_ENTITIES).toArrow()
    assert str(file.parent) in str(caught.value)


@pytest.mark.parametrize("new", ["elsewhere", "elsé where"])
def test_a_home_can_be_moved(settings: LakehouseSettings, new: str, decisions: Decisions) -> None:
    moved = LakehouseSettings(home=settings.home.parent / new)
    settings.home.rename(moved.home)
    with open_lakehouse(moved) as lake:
        merge(lake, MATCHED_ENTITIES, lake.frame(decisions("3")))
    assert _count(moved) == 3
    assert not settings.home.exists()


def test_links_of_killed_processes_go(
    settings: LakehouseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(place))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    long_ago = time.time() - STALE - 1
    folders = {}
    for name, process in {"dead": dead.pid, "young": dead.pid, "living": os.getpid()}.items():
        folders[name] = place / f"entity-matching-{process}-{name}"
        folders[name].mkdir(parents=True)
        (folders[name] / "home").symlink_to(settings.home)
        if name != "young":
            os.utime(folders[name], (long_ago, long_ago))
    assert _count(settings) == 2
    there = {name for name, folder in folders.items() if folder.exists()}
    assert there == ({"young", "living"} if " " in settings.home.name else set(folders))
    assert len(list(place.iterdir())) == len(there)


def test_processes_can_read_while_another_writes(whole: Path, tmp_path: Path, decisions: Decisions) -> None:
    shutil.copytree(whole, tmp_path / "home")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "home")]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    with open_lakehouse(LakehouseSettings(home=tmp_path / "home")) as lake:
        while any(reader.poll() is None for reader in readers):
            merge(lake, MATCHED_ENTITIES, lake.frame(decisions("3", "4")))
            lake.execute("DELETE FROM gold.matched_entities WHERE source_id IN ('3', '4')")
    for reader in readers:
        out, err = reader.communicate()
        assert (reader.returncode, err) == (0, "")
        assert set(out.split()) <= {"2", "4"}
