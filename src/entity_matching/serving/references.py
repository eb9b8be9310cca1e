"""The reference that records are matched against: that of the catalog now, made ready when its table has changed.

Whether it has changed is read off the table's log. A Spark session is needed only to make a new reference ready; that
is done in a process of its own, so that neither its memory nor its failure is the endpoint's.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from filelock import FileLock

from entity_matching.config import SearchSettings
from entity_matching.errors import EntityMatchingError
from entity_matching.jobs.references import (
    NoReferenceError,
    SavedReference,
    noted_version,
    ready_reference,
    reference_folder,
)
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.settings import LOCAL
from entity_matching.lakehouse.tables import REFERENCE_ENTITIES
from entity_matching.matcher import Matcher
from entity_matching.schema import Schema
from entity_matching.serving.settings import ServingSettings

log = logging.getLogger(__name__)

_USED_EVERY = 3600.0
"""Seconds after which a reference in use is marked as used, so that runs do not remove it."""
_VERSION = re.compile(r"(\d{20})\.(?:json|checkpoint.*\.parquet)")
_states: dict[Path, tuple[tuple[str, ...], str]] = {}
"""Of each table the files of its log when it was looked at last, and its state then."""
_answers: dict[tuple[object, ...], tuple[float, SavedReference | None]] = {}
"""What the maker said, and when, by what it was asked: a failure is told anew, an answer is kept."""


def ready(settings: ServingSettings, matcher: Matcher, damaged: str | None = None) -> SavedReference | None:
    """Return the catalog's present reference, made ready for a matcher; ``None`` if the catalog has none.

    :param damaged: a version that was found here and cannot be read: it is made ready anew.
    :raises EntityMatchingError: if it must be made ready, and cannot be.
    """
    lakehouse = settings.lakehouse
    state = None
    if lakehouse.target == LOCAL:
        state = table_state(lakehouse.warehouse / REFERENCE_ENTITIES.schema / REFERENCE_ENTITIES.name)
        if state is None:
            return None
        found = _saved(lakehouse, state, matcher)
        if found is not None and found.version != damaged:
            return found
    asked = (lakehouse, state, matcher.schema.to_yaml(), matcher.settings.search)
    when, answer = _answers.get(asked, (0.0, None))
    empty = state is not None and when and answer is None  # and it stays so until the table changes
    fresh = state is None and when and time.monotonic() - when < settings.remote_refresh_s
    if empty or (fresh and damaged is None):
        return answer
    answer = _made(lakehouse, state, matcher, damaged)
    _answers.clear()
    _answers[asked] = (time.monotonic(), answer)
    return answer


def table_state(folder: Path) -> str | None:
    """Return the same as :meth:`Lakehouse.state` of a table on this machine, from its log alone.

    :returns: ``None`` if there is no table.
    """
    log_folder = folder / "_delta_log"
    try:
        names = sorted(name for name in os.listdir(log_folder) if _VERSION.fullmatch(name))
        first = log_folder / names[0]
        known = (*names, str(first.stat().st_ino))  # a table made anew has other files
    except (FileNotFoundError, IndexError):
        return None
    if folder not in _states or _states[folder][0] != known:
        version = int(names[-1].partition(".")[0])
        _states[folder] = (known, f"{_table_id(log_folder, names)}-{version}")
    return _states[folder][1]


def _table_id(folder: Path, names: list[str]) -> str:
    """Return the id that the latest description of a table gives it."""
    for name in reversed(names):
        if name.endswith(".json"):
            lines = (folder / name).read_text(encoding="utf-8").splitlines()
            described = [json.loads(line) for line in lines if '"metaData"' in line]
        else:
            described = pq.read_table(folder / name, columns=["metaData"]).to_pylist()
        for action in described:
            if action.get("metaData"):
                return str(action["metaData"]["id"])
    raise EntityMatchingError(f"The log of the table in {folder.parent} says nothing of the table.")


def _saved(lakehouse: LakehouseSettings, state: str, matcher: Matcher) -> SavedReference | None:
    """Return the reference of a state of the table, if it was made ready before."""
    version = noted_version(lakehouse, state, matcher.schema, matcher.settings.search)
    if version is None:
        return None
    folder = reference_folder(lakehouse, version)
    if not (folder / "index" / "index.json").is_file():
        return None
    with suppress(OSError):  # a volume may be for reading only
        if time.time() - folder.stat().st_mtime > _USED_EVERY:
            os.utime(folder)
    return SavedReference(version, folder)


def _made(
    lakehouse: LakehouseSettings, state: str | None, matcher: Matcher, damaged: str | None
) -> SavedReference | None:
    """Make it ready, in one process at a time: the others then find what that one made."""
    try:
        lakehouse.locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lakehouse.locks / "endpoint-reference.lock")
        with lock:
            found = None if state is None else _saved(lakehouse, state, matcher)
            if found is not None and found.version != damaged:
                return found
            return _by_maker(lakehouse, matcher)  # which looks whether it can be read
    except OSError as error:
        raise EntityMatchingError(
            f"The reference must be made ready, and nothing can be written here: {error}.",
            remedy="Run a job where that is possible (entity-matching run run-pipeline), or let the endpoint write.",
        ) from error


def _by_maker(lakehouse: LakehouseSettings, matcher: Matcher) -> SavedReference | None:
    given = {
        "lakehouse": asdict(lakehouse),
        "schema": matcher.schema.to_yaml(),
        "search": asdict(matcher.settings.search),
    }
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=json.dumps(given, default=str), capture_output=True, text=True, check=False)
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        log.error("What makes the reference ready said: %s", done.stderr[-2000:])
        raise EntityMatchingError(
            f"The reference could not be made ready: the process for it ended with {done.returncode}.",
            remedy="The log has the details.",
        ) from error
    if "error" in told:
        raise EntityMatchingError(told["error"], remedy=told["remedy"])
    version = told["version"]
    return None if version is None else SavedReference(version, reference_folder(lakehouse, version))


def main() -> None:
    """Make a reference ready as the text on stdin says, and tell its version, or what went wrong, on stdout."""
    given = json.load(sys.stdin)
    place = given["lakehouse"]
    volume = Path(place["volume"]) if place["volume"] else None
    lakehouse = LakehouseSettings(place["catalog"], place["target"], Path(place["home"]), volume)
    told: dict[str, str | None]
    try:
        with open_lakehouse(lakehouse) as lake:
            found = ready_reference(lake, Schema.from_yaml(given["schema"]), SearchSettings(**given["search"]))
        told = {"version": found.version}
    except NoReferenceError:
        told = {"version": None}
    except EntityMatchingError as error:
        told = {"error": error.message, "remedy": error.remedy}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
