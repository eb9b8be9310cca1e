"""Where records come from: files, folders of files, Delta folders and tables of the catalog."""

from __future__ import annotations

import enum
import glob
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from entity_matching.errors import InputError
from entity_matching.files.formats import KNOWN, locate
from entity_matching.files.paths import find
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import quoted

log = logging.getLogger(__name__)

From = enum.StrEnum("From", {"FILE": "file", "DELTA": "delta", "TABLE": "table"})
From.__doc__ = "What an origin is: a file, a folder that is a Delta table, or a table by its name."

_LEVEL = r"(?:`(?:[^`]|``)+`|[^\s`./\\*?\[\]]+)"
_TABLE = re.compile(rf"{_LEVEL}(?:\.{_LEVEL}){{1,2}}")
_LEVELS = re.compile(_LEVEL)
_GLOB = re.compile(r"[*?\[]")
_PART = re.compile(r"part[-_]\d+", re.IGNORECASE)
_DATE = re.compile(
    r"[ ._-]*(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T _-]?[0-2]\d[-:_.]?[0-5]\d(?:[-:_.]?[0-5]\d)?Z?)?(?!\d)"
)


@dataclass(frozen=True)
class Origin:
    """One thing to read records from.

    ``name``: as the user wrote it, or the file's path. ``system``: the source system of its records; empty for the
    reference.
    """

    name: str
    kind: From
    system: str = ""

    @property
    def path(self) -> Path:
        """The file or folder, without the name of a sheet."""
        return locate(self.name).path if self.kind is From.FILE else Path(self.name)


def find_origins(lake: Lakehouse, given: str, *, system: str | None = None) -> list[Origin]:
    """Find what a parameter names.

    :param given: one or more, separated by commas: a file, a folder (every file in it of a known format; or one
        Delta table), a pattern such as ``in/*.csv``, or a table as ``schema.table`` or ``catalog.schema.table``.
    :param system: the source system of them all; by default see :func:`default_system`.
    :returns: the origins, each once; none if a folder is empty or nothing fits a pattern, which is logged.
    :raises InputError: if something named is not there.
    """
    items = [given] if Path(given).exists() else [item.strip() for item in given.split(",")]
    found: dict[str, Origin] = {}
    for item in filter(None, items):
        for name, kind in _expand(lake, item):
            found.setdefault(name, Origin(name, kind, default_system(name, kind) if system is None else system))
    return list(found.values())


def default_system(name: str, kind: From) -> str:
    """Return what a source system is called that nobody named.

    Of a file it is the name without extension and without a date (``crm_2026-11-23.csv.gz`` is ``crm``), so that
    tomorrow's file is the same system; where nothing is left, and for parts (``part-00000``), the name of its folder.
    Of a table or a Delta folder it is the last part of the name.
    """
    if kind is From.TABLE:
        return _levels(name)[-1]
    path = Path(name)
    if kind is From.DELTA:
        return path.absolute().name
    location = locate(name)
    stem = location.path.name
    for _ in range(2 if location.gzipped else 1):
        stem = Path(stem).stem
    plain = "" if _PART.match(stem) else _DATE.sub("", stem).strip(" ._-")
    return plain or location.path.absolute().parent.name or "source"


def table_name(lake: Lakehouse, name: str) -> str:
    """Return the quoted name of a table; of two levels it is one of the lakehouse's catalog."""
    levels = _levels(name)
    return quoted(*levels) if len(levels) == 3 else quoted(lake.settings.catalog, *levels)


def _levels(name: str) -> list[str]:
    found: list[str] = _LEVELS.findall(name)
    return [level[1:-1].replace("``", "`") if level[0] == "`" else level for level in found]


def _expand(lake: Lakehouse, item: str) -> list[tuple[str, From]]:
    path = Path(item)
    if path.is_dir():
        return [(item, From.DELTA)] if (path / "_delta_log").is_dir() else _files_in(path)
    if path.exists():
        return [(find(item).name, From.FILE)]
    if "`" not in item and _has_format(item):
        return _fitting(item) if _GLOB.search(item) else [(item, From.FILE)]
    if _TABLE.fullmatch(item):
        if not lake.spark.catalog.tableExists(table_name(lake, item)):
            raise InputError(
                "there is no such table.", file=item, remedy="Name it schema.table or catalog.schema.table, or a file."
            )
        return [(item, From.TABLE)]
    return _fitting(item) if _GLOB.search(item) else [(find(item).name, From.FILE)]


def _has_format(item: str) -> bool:
    try:
        locate(item)
    except InputError:
        return False
    return True


def _files_in(folder: Path) -> list[tuple[str, From]]:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))
    taken = [path for path in entries if path.is_file() and _has_format(str(path))]
    for path in entries:
        if path not in taken:
            log.warning("%s is left out: it is no file of a known format (%s).", path, KNOWN)
    if not taken:
        log.warning("The folder %s holds no file to read.", folder)
    return [(str(path), From.FILE) for path in taken]


def _fitting(pattern: str) -> list[tuple[str, From]]:
    folder = Path(_GLOB.split(pattern, maxsplit=1)[0] + "x").parent
    if not folder.is_dir():
        raise InputError("there is no such folder.", file=str(folder), remedy=f"Check the path '{pattern}'.")
    names = [name for name in sorted(glob.glob(pattern, recursive=True)) if Path(name).is_file()]
    if not names:
        log.warning("No file fits '%s'.", pattern)
    return [(name, From.FILE) for name in names]
