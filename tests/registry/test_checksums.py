"""Lists of files with their checksums."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from entity_matching.errors import ArtifactError
from entity_matching.registry.checksums import CHECKSUMS, check_checksums, stamp_of, write_checksums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ditto").mkdir()
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "ditto" / "model.onnx").write_bytes(b"\0\1")
    return tmp_path


def test_what_was_not_touched_is_whole(folder: Path) -> None:
    digest = write_checksums(folder)
    check_checksums(folder, digest)
    assert write_checksums(folder) == digest  # the list does not list itself


def test_a_changed_file_is_named(folder: Path) -> None:
    write_checksums(folder)
    (folder / "ditto" / "model.onnx").write_bytes(b"\0\2")
    with pytest.raises(ArtifactError, match=r"ditto/model\.onnx is not as it was written"):
        check_checksums(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    write_checksums(folder)
    (folder / "ditto" / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"not whole.*model\.onnx"):
        check_checksums(folder)


def test_a_list_that_is_another_one_or_none_at_all_is_refused(folder: Path) -> None:
    write_checksums(folder)
    with pytest.raises(ArtifactError, match="not as it was registered"):
        check_checksums(folder, "0" * 64)
    (folder / CHECKSUMS).write_text("[")
    with pytest.raises(ArtifactError, match="not whole"):
        check_checksums(folder)
    (folder / CHECKSUMS).unlink()
    with pytest.raises(ArtifactError, match="not whole"):
        check_checksums(folder)


def test_the_stamp_tells_that_a_file_was_written_again(folder: Path) -> None:
    before = stamp_of(folder)
    assert stamp_of(folder) == before
    os.utime(folder / "model.json", (1, 1))
    assert stamp_of(folder) != before
