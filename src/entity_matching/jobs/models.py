"""Model versions: where they are kept, and which one is in force.

A version is a folder that :meth:`Matcher.save` writes, ``<artifacts>/models/<version>/``, with what the jobs add to it.
The file ``<artifacts>/models/current`` names the version in force. Everything that asks for a model asks here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.settings import LakehouseSettings
from entity_matching.storage import replace_folder

if TYPE_CHECKING:
    from entity_matching.matcher import Matcher

CURRENT = "current"
"""File that names the version in force."""
MANIFEST = "model.json"
"""File that every saved model has."""
TRAINING = "training.json"
"""File beside a model that says what it was trained on and how good it was found."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_DIGITS = 12
_TRAIN_FIRST = "Train one first: entity-matching run train-ditto-model"


def publish(
    settings: LakehouseSettings, matcher: Matcher, version: str, *, documents: Mapping[str, Any] | None = None
) -> Path:
    """Keep a model under a version and put it in force; an older model of that version is replaced.

    :param documents: values to keep beside the model, ready for JSON, by the name of their file.
    :returns: the model's folder.
    :raises EntityMatchingError: if the version cannot be a folder's name.
    """
    if not _NAME.fullmatch(version) or version == CURRENT:
        raise EntityMatchingError(
            f"'{version}' cannot be a model's version.", remedy="Use letters, digits, '_', '-' and '.'."
        )
    folder = _home(settings) / version

    def write(new: Path) -> None:
        matcher.save(new)
        for name, document in (documents or {}).items():
            (new / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    replace_folder(folder, write)
    put_in_force(settings, version)
    return folder


def put_in_force(settings: LakehouseSettings, version: str) -> None:
    """Make a version that is there the one that jobs use.

    :raises EntityMatchingError: if there is no such version.
    """
    if version not in versions(settings):
        raise _unknown(settings, version)
    home = _home(settings)
    handle, name = tempfile.mkstemp(prefix=f".{CURRENT}-", dir=home)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(version + "\n")
        Path(name).chmod(0o644)
        Path(name).replace(home / CURRENT)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def current(settings: LakehouseSettings) -> str | None:
    """Return the version in force; ``None`` if no model was trained yet."""
    try:
        return (_home(settings) / CURRENT).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def versions(settings: LakehouseSettings) -> tuple[str, ...]:
    """Return the versions there are, the one written last first."""
    found = [
        (path.stat().st_mtime, path.parent.name)
        for path in _home(settings).glob(f"*/{MANIFEST}")
        if not path.parent.name.startswith(".")
    ]
    return tuple(name for _, name in sorted(found, reverse=True))


def model_folder(settings: LakehouseSettings, version: str | None = None) -> Path:
    """Return the folder of a model.

    :param version: a version, or the path of a folder that holds a model; by default the version in force.
    :raises EntityMatchingError: if there is none.
    """
    wanted = version or current(settings)
    if wanted is None:
        raise EntityMatchingError(f"The catalog '{settings.catalog}' has no model.", remedy=_TRAIN_FIRST)
    if _NAME.fullmatch(wanted) and (_home(settings) / wanted / MANIFEST).is_file():
        return _home(settings) / wanted
    if version and (Path(version) / MANIFEST).is_file():
        return Path(version).absolute()
    raise _unknown(settings, wanted)


def version_of(settings: LakehouseSettings, folder: Path) -> str:
    """Return the version that a model's folder is written down as: of a folder elsewhere, a digest of its model."""
    if folder.parent == _home(settings):
        return folder.name
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:_DIGITS]


def document(folder: Path, name: str) -> Any:
    """Return what :func:`publish` kept beside a model; ``None`` if it is not there.

    :raises EntityMatchingError: if it cannot be read.
    """
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EntityMatchingError(
            f"{folder / name} cannot be read: {error}.", remedy="Train the model again."
        ) from error


def _home(settings: LakehouseSettings) -> Path:
    return settings.artifacts / "models"


def _unknown(settings: LakehouseSettings, version: str) -> EntityMatchingError:
    known = ", ".join(versions(settings))
    there = f"Versions there are: {known}." if known else _TRAIN_FIRST
    return EntityMatchingError(f"There is no model '{version}' for the catalog '{settings.catalog}'.", remedy=there)
