"""Model versions on disk: where they are kept, and which one is in force.

A version is a folder that :meth:`Matcher.save` writes, ``<artifacts>/models/<version>/``, with what the jobs add to it.
The file ``<artifacts>/models/current`` names the version in force. Where models are registered, the folders are a cache
of the registry and the file a mirror of its alias ``champion``: see :mod:`entity_matching.jobs.registered`. Everything
that asks for a model asks here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from entity_matching.errors import ArtifactError, EntityMatchingError
from entity_matching.jobs import registered
from entity_matching.lakehouse.settings import LakehouseSettings
from entity_matching.registry.checksums import CHECKSUMS, check_checksums, stamp_of
from entity_matching.registry.location import CHAMPION, ModelUri
from entity_matching.storage import replace_folder, replace_text

if TYPE_CHECKING:
    from entity_matching.matcher import Matcher

CURRENT = "current"
"""File that names the version in force."""
MANIFEST = "model.json"
"""File that every saved model has."""
TRAINING = "training.json"
"""File beside a model that says what it was trained on and how good it was found."""
URI = "models:/"
"""What the address of a registered model begins with."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_DIGITS = 12
_TRAIN_FIRST = "Train one first: entity-matching run train-ditto-model"


def publish(
    settings: LakehouseSettings, matcher: Matcher, version: str, *, documents: Mapping[str, Any] | None = None
) -> Path:
    """Keep a model under a version and put it in force, without any registry; an older one of that name is replaced.

    :param documents: values to keep beside the model, ready for JSON, by the name of their file.
    :returns: the model's folder.
    :raises EntityMatchingError: if the version cannot be a folder's name.
    """
    if not _NAME.fullmatch(version) or version == CURRENT:
        raise EntityMatchingError(
            f"'{version}' cannot be a model's version.", remedy="Use letters, digits, '_', '-' and '.'."
        )
    folder = home_of(settings) / version
    replace_folder(folder, lambda new: write_model(new, matcher, documents))
    put_in_force(settings, version)
    return folder


def write_model(folder: Path, matcher: Matcher, documents: Mapping[str, Any] | None = None) -> None:
    """Write a model, and what is to be kept beside it, into a folder that is there."""
    matcher.save(folder)
    for name, document in (documents or {}).items():
        (folder / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def keep(settings: LakehouseSettings, version: str, folder: Path) -> None:
    """Keep a copy of a folder that holds a model as a version; it is not put in force."""

    def write(new: Path) -> None:
        shutil.copytree(folder, new, dirs_exist_ok=True)

    replace_folder(home_of(settings) / version, write)


def put_in_force(settings: LakehouseSettings, version: str) -> None:
    """Make a version that is there the one that jobs use.

    :raises EntityMatchingError: if there is no such version.
    """
    if version not in versions(settings):
        raise _unknown(settings, version)
    replace_text(home_of(settings) / CURRENT, version + "\n")


def current(settings: LakehouseSettings) -> str | None:
    """Return the version in force; ``None`` if no model was trained yet.

    It is the champion of the registry, which is asked if it was written to since it was asked last.

    :raises EntityMatchingError: if the registry must be asked and cannot be.
    """
    registered.refresh(settings, home_of(settings) / CURRENT)
    try:
        return (home_of(settings) / CURRENT).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def versions(settings: LakehouseSettings) -> tuple[str, ...]:
    """Return the versions there are on disk, the one written last first."""
    found = [
        (path.stat().st_mtime, path.parent.name)
        for path in home_of(settings).glob(f"*/{MANIFEST}")
        if not path.parent.name.startswith(".")
    ]
    return tuple(name for _, name in sorted(found, reverse=True))


def model_folder(settings: LakehouseSettings, version: str | None = None) -> Path:
    """Return the folder of a model; a registered one that is not there, or not whole, is fetched.

    :param version: a version; an alias of the registry; ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``; or the
        path of a folder that holds a model. By default the version in force.
    :raises EntityMatchingError: if there is none.
    """
    if version and version.startswith(URI):
        address = ModelUri.parse(version)
        return model_folder(_of_catalog(settings, address.catalog), address.wanted)
    wanted = current(settings) if version in (None, "", CHAMPION) else version
    if wanted is None:
        raise EntityMatchingError(f"The catalog '{settings.catalog}' has no model.", remedy=_TRAIN_FIRST)
    folder = home_of(settings) / wanted
    if _NAME.fullmatch(wanted) and _is_whole(folder):
        return folder
    if wanted.isdecimal() and registered.is_there(settings):
        return _fetched(settings, wanted)
    if version and (Path(version) / MANIFEST).is_file():
        return Path(version).absolute()
    number = registered.by_alias(settings, wanted) if _NAME.fullmatch(wanted) else None
    if number is not None:
        return model_folder(settings, number)
    if (folder / MANIFEST).is_file():
        check_checksums(folder)  # says what is wrong with it
    raise _unknown(settings, wanted)


def version_of(settings: LakehouseSettings, folder: Path) -> str:
    """Return the version that a model's folder is written down as: of a folder elsewhere, a digest of its model."""
    if folder.parent == home_of(settings):
        return folder.name
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:_DIGITS]


def document(folder: Path, name: str) -> Any:
    """Return what :func:`write_model` kept beside a model; ``None`` if it is not there.

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


def home_of(settings: LakehouseSettings) -> Path:
    """Return the folder of a catalog's models."""
    return settings.artifacts / "models"


def _of_catalog(settings: LakehouseSettings, catalog: str) -> LakehouseSettings:
    return settings if catalog == settings.catalog else replace(settings, catalog=catalog)


def _is_whole(folder: Path) -> bool:
    """Say whether a model is there as it was written; its files are read once, and then only if one changed."""
    if not (folder / MANIFEST).is_file():
        return False
    if not (folder / CHECKSUMS).is_file():
        return True  # it came from no registry; reading it checks it
    seen, stamp = folder.parent / f".{folder.name}.checked", stamp_of(folder)
    with suppress(OSError):
        if seen.read_text(encoding="utf-8") == stamp:
            return True
    try:
        check_checksums(folder)
    except ArtifactError:
        return False
    with suppress(OSError):  # then it is checked again the next time
        replace_text(seen, stamp)
    return True


def _fetched(settings: LakehouseSettings, number: str) -> Path:
    folder = home_of(settings) / number
    registered.fetch(settings, number, folder)
    return folder


def _unknown(settings: LakehouseSettings, version: str) -> EntityMatchingError:
    known = ", ".join(versions(settings))
    there = f"Versions there are: {known}." if known else _TRAIN_FIRST
    return EntityMatchingError(f"There is no model '{version}' for the catalog '{settings.catalog}'.", remedy=there)
