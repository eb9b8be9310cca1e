"""Notes that runs leave for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from entity_matching.jobs.notes import read_note, write_note
from entity_matching.lakehouse import LakehouseSettings


@pytest.fixture
def settings(tmp_path: Path) -> LakehouseSettings:
    return LakehouseSettings(home=tmp_path)


def test_a_note_is_read_as_it_was_written_last(settings: LakehouseSettings) -> None:
    write_note(settings, "seen", {"old": 1})
    write_note(settings, "seen", {"one": ["ä", None], "two": 0.5})
    assert read_note(settings, "seen") == {"one": ["ä", None], "two": 0.5}
    assert [path.name for path in (settings.artifacts / "references").iterdir()] == ["seen.json"]


@pytest.mark.parametrize("text", [None, "", "{half", "[1]"])
def test_what_cannot_be_read_counts_as_not_noted(settings: LakehouseSettings, text: str | None) -> None:
    if text is not None:
        write_note(settings, "seen", {})
        (settings.artifacts / "references" / "seen.json").write_text(text)
    assert read_note(settings, "seen") == {}


def test_what_cannot_be_written_leaves_the_note_that_was_there(settings: LakehouseSettings) -> None:
    write_note(settings, "seen", {"one": 1})
    with pytest.raises(TypeError):
        write_note(settings, "seen", {"one": object()})
    assert read_note(settings, "seen") == {"one": 1}
    assert len(list((settings.artifacts / "references").iterdir())) == 1
