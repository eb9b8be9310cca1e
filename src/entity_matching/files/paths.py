"""Whether a file can be read, or written, asked before any work is done."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from entity_matching.errors import InputError, OutputError
from entity_matching.files.formats import Format, Location, locate

_LIKE = 0.6
"""Similarity (0 to 1, higher is closer) from which a file's name is suggested for a missing one."""


def find(path: str | Path) -> Location:
    """Find the table at ``path``.

    :param path: a file; of a spreadsheet also ``book.xlsx#Sheet name``.
    :return: the file, which is there and can be read, and its format.
    :raises InputError: if it is missing (naming files with a like name), a folder, not readable, or of
        an unknown format.
    """
    plain = Path(path)
    if plain.is_dir():
        raise InputError("this is a folder; expected one file.", file=str(path), remedy="Name one of the files in it.")
    try:
        location = locate(path)
    except InputError:
        if plain.exists():
            raise
        raise InputError("there is no such file.", file=str(path), remedy=_near(plain)) from None
    try:
        with location.path.open("rb"):
            pass
    except FileNotFoundError as error:
        raise InputError("there is no such file.", file=str(path), remedy=_near(location.path)) from error
    except PermissionError as error:
        raise InputError(
            "this user may not read the file.", file=str(path), remedy="Get the right to read it (chmod u+r)."
        ) from error
    except OSError as error:
        raise InputError(
            f"the file cannot be opened: {error.strerror}.", file=str(path), remedy="Check the path."
        ) from error
    return location


def _near(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} either; check the path."
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    wanted = path.name.lower()
    scores = {name: difflib.SequenceMatcher(None, wanted, name.lower()).ratio() for name in names}
    near = sorted((name for name in names if scores[name] >= _LIKE), key=lambda name: -scores[name])[:3]
    return f"Did you mean {' or '.join(near)}?" if near else f"Check the path; it was looked for in {folder.resolve()}."


def check_output(out: str | Path, inputs: Iterable[str | Path] = ()) -> Location:
    """Check that a table can be written to ``out``, before the work whose result it is to hold.

    :param out: the file to write.
    :param inputs: files that must not be overwritten.
    :return: where it will be written.
    :raises OutputError: if its format cannot be written, its folder is missing or not writable, it is a
        folder itself, or it is one of the inputs.
    """
    try:
        location = locate(out)
    except InputError as error:
        raise OutputError(error.message, remedy=error.remedy) from error
    if location.format is Format.EXCEL and (location.extension != ".xlsx" or location.sheet):
        raise OutputError(
            f"{location.name}: of the Excel formats only a whole .xlsx file can be written.",
            remedy="Name the output .xlsx, .csv or .parquet.",
        )
    check_target(location.path)
    for given in inputs:
        path = locate(given).path
        if _same(location.path, path):
            raise OutputError(
                f"{out} is also an input, and would be overwritten.", remedy="Give the output another name."
            )
    return location


def check_target(path: Path) -> None:
    """Check that a file can be put at ``path``.

    :raises OutputError: if it is a folder, or its folder is missing or not writable.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder; expected a file to write.", remedy=f"For instance {path / 'out.csv'}.")
    _check_parent(path)


def check_folder(path: Path) -> None:
    """Check that a folder is at ``path``, or can be made there.

    :raises OutputError: if a file is there, or the folder it should be in is missing or not writable.
    """
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file; expected a folder to write.", remedy="Name another folder.")
    _check_parent(path)


def _check_parent(path: Path) -> None:
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(
            f"The folder {folder}, in which {path.name} should be written, is not there.",
            remedy=f"Make it first: mkdir -p '{folder}'",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"The folder {folder} may not be written to by this user.", remedy="Write somewhere else (-o)."
        )


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.resolve() == other.resolve()
