from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from entity_matching.deploy.remembered import Kept, Remembered, exclusive
from entity_matching.errors import EntityMatchingError, InputError

JOB = Kept("jobs.a", "101", "[dev] A", "UNPAUSED", "2026-11-01T00:00:00+00:00")


def test_what_is_remembered_is_there_next_time(tmp_path: Path) -> None:
    memory = Remembered.load(tmp_path, "dev")
    assert memory.phase is None and memory.kept == {}
    memory.keeping(JOB).changed(phase=2, deployed_at="then", model_version="7")
    found = Remembered.load(tmp_path, "dev")
    assert (found.phase, found.model_version, found.kept) == (2, "7", {"jobs.a": JOB})
    assert Remembered.load(tmp_path, "prod").phase is None, "each target by itself"
    found.without("jobs.a").forgotten()
    assert Remembered.load(tmp_path, "dev") == Remembered(tmp_path / "deployments" / "dev.json")


def test_of_what_is_kept_already_the_first_state_stays(tmp_path: Path) -> None:
    memory = Remembered.load(tmp_path, "dev").keeping(JOB).keeping(replace(JOB, pause_status="PAUSED"))
    assert memory.kept["jobs.a"].pause_status == "UNPAUSED"
    assert memory.keeping(replace(JOB, id="202")).kept["jobs.a"].id == "202", "another job is another thing"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"phase": 1, "color": "red"}', '{"kept": {"jobs.a": {"id": "1"}}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deployments" / "dev.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InputError, match=r"dev\.json"):
        Remembered.load(tmp_path, "dev")


def test_one_deployment_to_a_target_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path, "dev"):
        with pytest.raises(EntityMatchingError, match="Another deployment to dev"), exclusive(tmp_path, "dev"):
            pass
        with exclusive(tmp_path, "prod"):
            pass
    with exclusive(tmp_path, "dev"):
        pass


def test_a_home_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(EntityMatchingError, match="cannot be written"), exclusive(tmp_path / "home", "dev"):
        pass
