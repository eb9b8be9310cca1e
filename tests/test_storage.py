from __future__ import annotations

from pathlib import Path

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
