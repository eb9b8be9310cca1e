"""What a run matches with: a version of the model and one of the reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from entity_matching.jobs.loaded import loaded_matcher
from entity_matching.jobs.models import model_folder, version_of
from entity_matching.jobs.references import KEPT, SavedReference, ready_reference
from entity_matching.lakehouse import Lakehouse
from entity_matching.schema import Schema


@dataclass(frozen=True)
class Equipment:
    """A model's folder, version and schema, and the reference made ready for it."""

    model: Path
    model_version: str
    reference: SavedReference
    schema: Schema


def equip(lake: Lakehouse, model: str | None = None, *, kept: int = KEPT) -> Equipment:
    """Find the model and make the present reference ready for it.

    :param model: a version, or a folder that holds a model; by default the version in force.
    :param kept: versions of the reference that are kept.
    :raises EntityMatchingError: if there is no model or no reference.
    """
    folder = model_folder(lake.settings, model)
    matcher = loaded_matcher(folder)
    reference = ready_reference(lake, matcher.schema, matcher.settings.search, kept=kept)
    return Equipment(folder, version_of(lake.settings, folder), reference, matcher.schema)
