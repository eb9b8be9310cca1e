from __future__ import annotations

from pathlib import Path

import pytest

from entity_matching.jobs.examined import (
    Examined,
    note_columns_decided,
    note_drift,
    note_examined,
    read_columns_decided,
    read_drift,
    read_examined,
)
from entity_matching.lakehouse import LakehouseSettings

EXAMINED = Examined("ref-1", {"crm": ("name", "city"), "erp": ()})


@pytest.fixture
def settings(tmp_path: Path) -> LakehouseSettings:
    return LakehouseSettings(home=tmp_path, volume=tmp_path / "not made yet")


def notes(settings: LakehouseSettings) -> list[Path]:
    return sorted((settings.artifacts / "references").iterdir())


def test_what_a_run_went_by_is_told_of_that_run_until_another_looks(settings: LakehouseSettings) -> None:
    assert read_examined(settings, "r1") is None
    note_examined(settings, "r1", EXAMINED)
    assert read_examined(settings, "r1") == EXAMINED
    assert read_examined(settings, "r2") is None
    note_examined(settings, "r2", Examined("ref-2", {}))
    assert read_examined(settings, "r1") is None


def test_drift_and_columns_are_read_as_they_were_noted(settings: LakehouseSettings) -> None:
    assert (read_drift(settings), read_columns_decided(settings)) == ({}, {})
    note_drift(settings, {"ref-1": 0.25, "ref-2": 1.5})
    note_columns_decided(settings, {"crm": ("name", "city"), "erp": ()})
    assert read_drift(settings) == {"ref-1": 0.25, "ref-2": 1.5}
    assert read_columns_decided(settings) == {"crm": ("name", "city"), "erp": ()}


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"ref-1": "much", "crm": null, "run_id": "r1"}', "\xff"])
def test_notes_that_make_no_sense_count_as_nothing(settings: LakehouseSettings, text: str) -> None:
    note_examined(settings, "r1", EXAMINED)
    note_drift(settings, {})
    note_columns_decided(settings, {})
    for path in notes(settings):
        path.write_bytes(text.encode("latin-1"))
    assert (read_drift(settings), read_columns_decided(settings)) == ({}, {})
    assert read_examined(settings, "r1") is None


def test_a_note_that_cannot_be_written_leaves_the_one_before(
    settings: LakehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_examined(settings, "r1", EXAMINED)
    before = notes(settings)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        note_examined(settings, "r2", EXAMINED)
    assert read_examined(settings, "r1") == EXAMINED
    assert notes(settings) == before
