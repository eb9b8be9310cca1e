"""A list of files with their SHA-256, by which a model that was fetched or kept is known to be whole."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from entity_matching.errors import ArtifactError

CHECKSUMS = "checksums.json"
"""The file with the list, beside the files it names."""


def write_checksums(folder: Path) -> str:
    """Write the list of a folder's files; return its own SHA-256."""
    files = {name: _digest(folder / name) for name in _names(folder)}
    path = folder / CHECKSUMS
    path.write_text(json.dumps(files, indent=1) + "\n", encoding="utf-8")
    return _digest(path)


def check_checksums(folder: Path, expected: str | None = None) -> None:
    """Check that a folder holds what its list names, as it was written.

    :param expected: the SHA-256 of the list itself.
    :raises ArtifactError: if a file is missing or changed.
    """
    path = folder / CHECKSUMS
    try:
        if expected is not None and _digest(path) != expected:
            raise ArtifactError(f"{path} is not as it was registered.", remedy="Restore the model from a copy.")
        files = json.loads(path.read_text(encoding="utf-8"))
        wrong = next((name for name, digest in files.items() if _digest(folder / name) != digest), None)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ArtifactError(
            f"The model in {folder} is not whole: {error}.", remedy="Restore it from a copy, or train it again."
        ) from error
    if wrong is not None:
        raise ArtifactError(
            f"{folder / wrong} is not as it was written.", remedy="Restore the model from a copy, or train it again."
        )


def stamp_of(folder: Path) -> str:
    """Return a digest of the names, sizes and times of a folder's files: what changes when one is written to."""
    digest = hashlib.sha256()
    for name in _names(folder):
        found = (folder / name).stat()
        digest.update(f"{name}\x1f{found.st_size}\x1f{found.st_mtime_ns}\x1e".encode())
    return digest.hexdigest()


def _names(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / CHECKSUMS)
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
