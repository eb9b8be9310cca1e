from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entity_matching import storage
from entity_matching.errors import ArtifactError


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    storage.write_meta(tmp_path, {"rows": 1})
    path = tmp_path / "index.json"
    path.write_text(path.read_text().replace(f'"format": {storage.FORMAT}', '"format": 999'))
    with pytest.raises(ArtifactError, match="format 999.*Update"):
        storage.read_meta(tmp_path)


def test_a_pickled_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ArtifactError, match=r"words\.npy"):
        storage.read_array(tmp_path, "words")


def test_a_failed_write_leaves_the_older_folder_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "index"
    storage.replace_folder(target, lambda folder: storage.write_meta(folder, {"rows": 1}))

    def fail(folder: Path) -> None:
        storage.write_meta(folder, {"rows": 2})
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        storage.replace_folder(target, fail)
    assert storage.read_meta(target)["rows"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_second_write_replaces_the_first(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "index"
    storage.replace_folder(target, lambda folder: storage.write_meta(folder, {"rows": 1}))
    storage.replace_folder(target, lambda folder: storage.write_meta(folder, {"rows": 2}))
    assert storage.read_meta(target)["rows"] == 2
    assert [path.name for path in target.parent.iterdir()] == ["index"]


@pytest.mark.parametrize("array", [np.arange(5), np.zeros(0, np.int32), np.zeros((0, 3)), np.ones((1, 2), np.float32)])
def test_an_array_is_read_as_it_was_written_and_its_file_stays_as_it_is(tmp_path: Path, array: Any) -> None:
    storage.write_array(tmp_path, "words", array)
    read = storage.read_array(tmp_path, "words")
    assert type(read) is np.ndarray
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(read, array)
    read[...] = 7
    np.testing.assert_array_equal(storage.read_array(tmp_path, "words"), array)


def test_an_array_is_read_where_files_cannot_be_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write_array(tmp_path, "words", np.arange(5))

    def refuse(*_: object, **__: object) -> None:
        raise OSError("No such device")

    monkeypatch.setattr(np, "memmap", refuse)
    np.testing.assert_array_equal(storage.read_array(tmp_path, "words"), np.arange(5))


@pytest.mark.parametrize("left", [0, 10, 130, -8])
def test_an_array_cut_short_is_refused(tmp_path: Path, left: int) -> None:
    storage.write_array(tmp_path, "words", np.arange(50))
    path = tmp_path / "words.npy"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ArtifactError, match=r"words\.npy"):
        storage.read_array(tmp_path, "words")


def test_a_text_is_put_in_place_whole_with_its_rights_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "note.json"
    storage.replace_text(path, "old")
    storage.replace_text(path, "one\r\ntwo ä", mode=0o600)
    assert path.read_bytes() == "one\r\ntwo ä".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TypeError):
        storage.replace_text(path, None)  # type: ignore[arg-type]
    assert path.read_bytes().startswith(b"one")
    assert [each.name for each in path.parent.iterdir()] == ["note.json"]


def test_only_what_was_begun_long_ago_is_taken_to_be_abandoned(tmp_path: Path) -> None:
    for name in (".old", ".new", "whole"):
        (tmp_path / name / "within").mkdir(parents=True)
    (tmp_path / ".note").write_text("kept")
    for name in (".old", "whole", ".note"):
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    storage.remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new", ".note", "whole"]
