"""Models in folders: loading one for a command, and where a new one may go."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from entity_matching.errors import OutputError

if TYPE_CHECKING:
    import pyarrow as pa

    from entity_matching.cli.console import ReportProgress
    from entity_matching.cli.inputs import Inputs
    from entity_matching.matcher import Matcher

_REGISTERED = re.compile(r"champion|challenger|\d+|models:/.*")
"""Names that are not taken for folders, unless there is one."""


def load_model(name: str | Path, target_precision: float | None = None) -> Matcher:
    """Load a model.

    :param name: a folder; or ``champion``, a version's number or ``models:/NAME@ALIAS`` of the registry of the default
        home and catalog.
    :param target_precision: to decide by, in place of the one it was trained for.
    :raises EntityMatchingError: if there is no such model, or one that cannot be read.
    """
    from entity_matching.matcher import Matcher

    matcher = Matcher.load(_folder(str(name)))
    return matcher if target_precision is None else matcher.with_target_precision(target_precision)


def _folder(name: str) -> Path:
    if Path(name).exists() or not _REGISTERED.fullmatch(name):
        return Path(name)
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.jobs.models import model_folder

    return model_folder(settings_of(None, None, None), name)


def match_with(
    matcher: Matcher, inputs: Inputs, progress: ReportProgress | None, source: pa.Table | None = None
) -> pa.Table:
    """Match tables that were checked when they were read.

    :param source: the records to match, in place of the whole source.
    """
    records = inputs.source.table if source is None else source
    return matcher.match_prepared(records, matcher.prepare(inputs.reference.table), progress=progress)


def check_model_folder(folder: Path) -> None:
    """Check that a model can be written to a folder, before it is trained.

    :raises OutputError: if something that is no model is there, or its parent is missing or not writable.
    """
    from entity_matching.files.paths import check_folder

    check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()):
        from entity_matching.matcher import is_model

        if not is_model(folder):
            raise OutputError(
                f"The folder {folder} is not empty, and what is in it is no model.",
                remedy="Name a new folder, or an older model to replace.",
            )


@contextmanager
def checkpoints_of(folder: Path, *, wanted: bool) -> Iterator[Path | None]:
    """Give the folder beside a model in which its training keeps where it stands; it goes when the block ends well."""
    if not wanted:
        yield None
        return
    kept = folder.parent / f".{folder.name}-training"
    yield kept
    shutil.rmtree(kept, ignore_errors=True)
