"""Folders and files of what is saved: numpy arrays, Arrow tables and JSON; never a pickle."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from entity_matching.errors import ArtifactError

FORMAT = 2
"""Version of the files' layout; a folder with a higher one was written by a newer release."""

ABANDONED = 24 * 60 * 60
"""Seconds after which a folder that was never finished is taken to be abandoned."""
_META = "index.json"
_REMEDY = "Build the index again, or restore the file from a copy."


def write_meta(folder: Path, data: Mapping[str, Any]) -> None:
    """Write an index's settings beside its arrays, with the format version."""
    text = json.dumps({"format": FORMAT, **data}, indent=1, sort_keys=True)
    (folder / _META).write_text(text + "\n", encoding="utf-8")


def read_meta(folder: Path, *keys: str) -> dict[str, Any]:
    """Read what :func:`write_meta` wrote.

    :param keys: what must be there.
    :raises ArtifactError: if the file is missing, damaged or of a newer format.
    """
    path = folder / _META
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data["format"]
        absent = [key for key in keys if key not in data]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    if not isinstance(version, int) or version > FORMAT:
        raise ArtifactError(
            f"{path} has the format {version}; this release reads formats up to {FORMAT}.",
            remedy="Update entity-matching, or build the index again.",
        )
    if absent:
        raise _damaged(path, KeyError(absent[0]))
    return dict(data)


def write_array(folder: Path, name: str, array: npt.NDArray[Any]) -> None:
    """Write one array as ``<name>.npy``."""
    np.save(folder / f"{name}.npy", array, allow_pickle=False)


def read_array(folder: Path, name: str) -> npt.NDArray[Any]:
    """Read one array.

    The file is mapped where the file system can do it: then only what is used is read, and processes share it. The map
    is copy-on-write, not read-only, since compiled code asks for arrays that it could write to.

    :raises ArtifactError: if the file is missing or damaged.
    """
    path = folder / f"{name}.npy"
    with suppress(OSError, ValueError, EOFError):  # what is wrong with the file, if it is the file, is told below
        mapped: npt.NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
        return mapped.view(np.ndarray)
    try:
        array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from error
    return array


def write_table(folder: Path, name: str, table: pa.Table) -> None:
    """Write one table as an Arrow file, ``<name>.arrow``."""
    with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def read_table(folder: Path, name: str) -> pa.Table:
    """Read one table.

    :raises ArtifactError: if the file is missing or damaged.
    """
    path = folder / f"{name}.arrow"
    try:
        with pa.OSFile(str(path), "rb") as file:
            return pa.ipc.open_file(file).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise _damaged(path, error) from error


def damaged(folder: Path, why: str) -> ArtifactError:
    """Return the error for files that do not fit each other."""
    return ArtifactError(f"{folder} does not hold a whole index: {why}.", remedy=_REMEDY)


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder under another name, then put it in place, so that no half of it is ever seen.

    :param folder: where it goes; an older one there is replaced.
    :param write: fills the empty folder it is given.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write(new)
        new.chmod(0o755)
        if folder.exists():
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}-old-", dir=folder.parent) as old:
                folder.rename(Path(old) / folder.name)
                try:
                    new.rename(folder)
                except OSError:
                    (Path(old) / folder.name).rename(folder)
                    raise
        else:
            new.rename(folder)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def remove_abandoned(parent: Path) -> None:
    """Remove what killed processes left in a folder: folders whose name begins with a dot, untouched for a day."""
    for left in parent.glob(".*"):
        with suppress(FileNotFoundError):  # another process removes it too
            if left.is_dir() and left.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(left, ignore_errors=True)


def _damaged(path: Path, error: Exception) -> ArtifactError:
    what = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
    return ArtifactError(f"{path} {what}.", remedy=_REMEDY)


def replace_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a small file under another name, then put it in place, so that no half of it is ever seen.

    :param mode: permissions of the file; others never see it with more.
    :raises OSError: if it cannot be written; what was there is untouched then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # with the mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
