"""The reference as matching reads it: normalised and indexed once per version, in a folder for every process to read.

``<artifacts>/references/<version>/`` is what :meth:`Reference.save` writes. The version is a fingerprint of the master
list and of what it is made ready with, so that the same list always has the same one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from entity_matching.config import SearchSettings
from entity_matching.errors import ArtifactError, EntityMatchingError
from entity_matching.jobs.attributes import ENTITY, keyed, records_of
from entity_matching.jobs.loaded import loaded_reference
from entity_matching.jobs.notes import read_note, write_note
from entity_matching.lakehouse import Lakehouse, LakehouseSettings
from entity_matching.lakehouse.tables import REFERENCE_ENTITIES
from entity_matching.matcher.reference import Reference
from entity_matching.records import part
from entity_matching.schema import Schema, Side
from entity_matching.storage import FORMAT, remove_abandoned
from entity_matching.version import __version__

log = logging.getLogger(__name__)

KEPT = 3
"""Versions of the reference that are kept by default."""
_NOTE = "fingerprints"
"""Note of the fingerprints that were computed, by the table's state and a digest of the rest."""
_DIGITS = 16


class NoReferenceError(EntityMatchingError):
    """Raised when the catalog has no reference records."""


@dataclass(frozen=True)
class SavedReference:
    """A reference made ready, in its folder."""

    version: str
    folder: Path

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """Return the columns of the reference that the schema reads and the reference has."""
        with pa.OSFile(str(self.folder / "records.arrow"), "rb") as file:
            there = set(pa.ipc.open_file(file).schema.names)
        return tuple(
            attribute.column_on(Side.REFERENCE)
            for attribute in schema.attributes
            if part(attribute.name, "raw") in there
        )


def reference_version(lake: Lakehouse, schema: Schema, settings: SearchSettings) -> str:
    """Return the fingerprint of the master list, made ready by this schema and these settings.

    It is computed once per state of the table, and then noted beside the references.

    :returns: 16 hex digits of a SHA-256 over the hashes of the sorted records, over the schema's attributes, over the
        settings that the candidates depend on, and over the version of this package.
    """
    digest = _made_with(schema, settings)
    state = lake.state(REFERENCE_ENTITIES)
    noted = noted_version(lake.settings, state, schema, settings)
    if noted is not None:
        return noted
    asked = _asked(state, digest)
    for text in _hashes(lake):
        digest.update(text.encode())
    version = digest.hexdigest()[:_DIGITS]
    if state is not None:
        known = read_note(lake.settings, _NOTE)
        others = {key: value for key, value in known.items() if key.startswith(f"{state} ")}
        write_note(lake.settings, _NOTE, {**others, asked: version})
    return version


def noted_version(
    lakehouse: LakehouseSettings, state: str | None, schema: Schema, settings: SearchSettings
) -> str | None:
    """Return the version of the master list in a state of its table, if it was computed before; else ``None``.

    Neither a session nor the table is needed.

    :param state: what :meth:`Lakehouse.state` said; ``None`` where that is not to be had.
    """
    noted = read_note(lakehouse, _NOTE).get(_asked(state, _made_with(schema, settings)))
    return None if state is None or noted is None else str(noted)


def _made_with(schema: Schema, settings: SearchSettings) -> hashlib._Hash:
    """Return a digest of all but the records that the version is over."""
    attributes = [attribute.model_dump(mode="json") for attribute in schema.attributes]
    made_with = [__version__, FORMAT, attributes, settings.limit, settings.depth, settings.max_postings]
    return hashlib.sha256(json.dumps(made_with, sort_keys=True).encode())


def _asked(state: str | None, made_with: hashlib._Hash) -> str:
    return f"{state} {made_with.hexdigest()[:_DIGITS]}"


def _hashes(lake: Lakehouse) -> list[str]:
    """Return hashes of all records and their keys, sorted."""
    # hashed in parts, so that no row grows with the list; a content hash has always the same length
    parts = lake.sql(
        "SELECT substr(record, 1, 3) AS part, sha2(concat_ws('', sort_array(collect_list(record))), 256) AS digest"
        " FROM (SELECT sha2(concat(content_hash, entity_id), 256) AS record"
        f" FROM {lake.name(REFERENCE_ENTITIES)}) AS records GROUP BY substr(record, 1, 3)"
    ).toArrow()
    return sorted(parts["digest"].to_pylist())


def reference_folder(settings: LakehouseSettings, version: str) -> Path:
    """Return the folder of a version of the reference, whether or not it is there."""
    return settings.artifacts / "references" / version


def ready_reference(lake: Lakehouse, schema: Schema, settings: SearchSettings, *, kept: int = KEPT) -> SavedReference:
    """Return the present reference made ready; it is made if it is not there yet.

    :param kept: versions that are kept, this one among them, those used last; others are removed.
    :raises NoReferenceError: if the catalog has no reference.
    """
    version = reference_version(lake, schema, settings)
    folder = reference_folder(lake.settings, version)
    if _is_whole(folder):
        with suppress(OSError):  # not every file system of a volume can do it
            os.utime(folder)
    else:
        log.info("The reference %s is made ready.", version)
        Reference.prepare(_records(lake, schema), keyed(schema), settings).save(folder)
    _prune(folder, kept)
    return SavedReference(version, folder)


def _is_whole(folder: Path) -> bool:
    """Say whether a saved reference is there and can be read; one that cannot is made again."""
    if not folder.is_dir():
        return False
    try:
        loaded_reference(folder)
    except ArtifactError as error:
        log.warning("The reference %s is made again, since it cannot be read: %s", folder.name, error.message)
        return False
    return True


def _records(lake: Lakehouse, schema: Schema) -> pa.Table:
    """Return the master list in the order of its keys, so that equally good candidates always come in one order."""
    table = records_of(lake.read(REFERENCE_ENTITIES), schema, Side.REFERENCE)
    if not table.num_rows:
        raise NoReferenceError(
            f"The catalog '{lake.settings.catalog}' has no reference records.",
            remedy="Load them first: entity-matching run setup-unity-catalog -- --reference FILE",
        )
    return table.sort_by(ENTITY)


def _prune(present: Path, kept: int) -> None:
    """Remove versions that were not used for long, and what a killed process left of one."""
    others = [(path.stat().st_mtime, path) for path in present.parent.iterdir() if path.is_dir() and path != present]
    whole = sorted((used, path) for used, path in others if not path.name.startswith("."))
    for _, path in whole[: max(0, len(whole) - (kept - 1))]:
        log.info("The reference %s is removed; %d are kept (--keep-references).", path.name, kept)
        shutil.rmtree(path, ignore_errors=True)
    remove_abandoned(present.parent)
