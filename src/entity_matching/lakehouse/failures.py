"""What went wrong, in words: errors of Spark and of the disk turned into ours."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from entity_matching.errors import EntityMatchingError
from entity_matching.lakehouse.settings import HOME_VARIABLE, LakehouseSettings

log = logging.getLogger(__name__)

LONGEST = 600
"""Characters of an error of Spark's that are passed on."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_STACK = re.compile(r"\n\s+0: ")
_PLACE = "/warehouse/"
_JVM_STACK = re.compile(r"\s*^JVM stacktrace:.*", re.DOTALL | re.MULTILINE)
_RETRY = "Nothing of this write was kept. Run it again."
_SET_UP = "If the catalog has not been set up: entity-matching run setup-unity-catalog"

_Told = Callable[[re.Match[str], LakehouseSettings], tuple[str, str]]
_KNOWN: tuple[tuple[re.Pattern[str], _Told], ...] = (
    (  # one of ours, raised beside the data: the last line of what Python told Spark there
        re.compile(r"^entity_matching\.errors\.\w+: (.+?)(?:\s+SQLSTATE: \w+)?\s*$", re.MULTILINE),
        lambda found, _: (found[1], ""),
    ),
    (
        re.compile(r"CHECK constraint (\S+) \((.*?)\) violated", re.DOTALL),
        lambda found, _: (
            f"A row that was to be written breaks the rule '{found[1]}' of its table: {found[2]}.",
            "Nothing of this write was kept.",
        ),
    ),
    (
        re.compile(r"NOT NULL constraint violated for column: ([^\s.]+)"),
        lambda found, _: (
            f"A row that was to be written has no value in the column '{found[1]}', which needs one.",
            "Nothing of this write was kept.",
        ),
    ),
    (
        re.compile(r"MERGE_CARDINALITY_VIOLATION|DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE"),
        lambda _found, _: ("Two of the rows that were to be written have the same key.", "Give each key once."),
    ),
    (
        re.compile(r"No version of the Delta table exists|expected final version|DELTA_TIMESTAMP_EARLIER"),
        lambda _found, _: (
            "The table has no version of that time or number: it is older than the table, or is not kept any more.",
            "Name a later one.",
        ),
    ),
    (
        re.compile(r"(?:metadata for file|at location) (\S+\.parquet)"),
        lambda found, settings: (
            f"A file of a table is missing or damaged: {settings.home}{_PLACE}{found[1].partition(_PLACE)[2]}."
            if _PLACE in found[1]
            else f"A file is missing or damaged: {found[1]}.",
            "Put it back from a backup. Of an older version it may be gone since maintain-tables removed it.",
        ),
    ),
    (
        re.compile(r"Failed to commit transaction|Missing commit file|DELTA_CONCURRENT|Concurrent\w+Exception"),
        lambda _found, _: ("Another process wrote to the same table at the same time.", _RETRY),
    ),
    (
        re.compile(r"Catalog not found|CATALOG_NOT_FOUND|Catalog `?.+`? (?:plugin class )?not found"),
        lambda _found, settings: (
            f"The Spark server knows no catalog '{settings.catalog}'.",
            "Configure it there, or name another one with --catalog.",
        ),
    ),
    (  # three levels, where the server has one catalog
        re.compile(r"REQUIRES_SINGLE_PART_NAMESPACE.*? got (?:identifier|namespace) `?([^`.\s]+)"),
        lambda found, _: (
            f"The Spark server knows no catalog '{found[1]}'.",
            "Configure it there, or name another one with --catalog.",
        ),
    ),
    (
        re.compile(r"(?:[Tt]able or view|TABLE_OR_VIEW_NOT_FOUND\] The table or view)(?: not found:)? (\S+)"),
        lambda found, settings: (
            f"The catalog '{settings.catalog}' has no table or view {found[1].rstrip('.;')}.",
            _SET_UP,
        ),
    ),
    (
        re.compile(r"StatusCode\.UNAVAILABLE|RETRIES_EXCEEDED|SESSION_CLOSED|Connection (?:refused|reset)"),
        lambda _found, _: ("The Spark server went away.", "See that it runs and can be reached, then run it again."),
    ),
)


@contextmanager
def explained(settings: LakehouseSettings) -> Iterator[None]:
    """Raise what Spark or the disk raises within the block as an error of ours.

    :raises EntityMatchingError: instead of an error that :func:`explain` knows.
    """
    try:
        yield
    except EntityMatchingError:
        raise
    except Exception as error:
        told = explain(error, settings)
        if told is None:
            raise
        raise told from error


@contextmanager
def opening(table: str, folder: Path) -> Iterator[None]:
    """Name the table and its folder in the error, if the block cannot read the log of a local table.

    :raises EntityMatchingError: if it cannot.
    """
    try:
        yield
    except Exception as error:
        text = str(error).strip()
        number = _OS_ERROR.search(text)
        if not _is_spark(error) or (number and int(number[1]) in _FULL | _CLOSED):
            raise
        log.debug("%s: %s", table, text)
        raise unreadable(table, folder, _STACK.split(text)[0].partition("\n")[0][:LONGEST]) from error


def unreadable(table: str, folder: Path, why: str) -> EntityMatchingError:
    """Return the error of a local table whose log cannot be read."""
    return EntityMatchingError(
        f"The table {table} in {folder} cannot be read: {why.rstrip('.')}.",
        remedy="If the last entry of its _delta_log is damaged (a power cut, a full disk), move it and the .crc file "
        "of its number elsewhere: the table is then as it was before that write; run the job again. Else put the "
        "folder back from a backup.",
    )


def explain(error: Exception, settings: LakehouseSettings) -> EntityMatchingError | None:
    """Return what an error means for a user.

    :return: ``None`` for an error that is neither Spark's nor of the disk.
    """
    if isinstance(error, EntityMatchingError):
        return error
    if isinstance(error, OSError):
        return _of_disk(error.errno, error.filename, settings)
    if not _is_spark(error):
        return None
    text = _JVM_STACK.sub("", str(error)).strip()
    number = _OS_ERROR.search(text)
    told = _of_disk(int(number[1]), None, settings) if number else None
    return told or _of_spark(text, settings)


def _is_spark(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("pyspark", "grpc", "_internal", "deltalake")


def _of_disk(number: int | None, filename: object, settings: LakehouseSettings) -> EntityMatchingError | None:
    where = str(filename) if filename else str(settings.home)
    elsewhere = f"name another folder with --home or {HOME_VARIABLE}"
    if number in _FULL:
        return EntityMatchingError(
            f"{where} cannot take more: {os.strerror(number)}.",
            remedy=f"Free some space, or {elsewhere}; then run it again. What the tables held is untouched.",
        )
    if number in _CLOSED:
        return EntityMatchingError(
            f"{where} cannot be used: {os.strerror(number)}.",
            remedy=f"Give yourself the right to write there, or {elsewhere}.",
        )
    return None


def _of_spark(text: str, settings: LakehouseSettings) -> EntityMatchingError:
    for pattern, tell in _KNOWN:
        found = pattern.search(text)
        if found:
            message, remedy = tell(found, settings)
            return EntityMatchingError(message, remedy=remedy)
    log.debug("Spark: %s", text)
    text = _STACK.split(text)[0]
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} [...] {text[-LONGEST // 2 :]}"
    return EntityMatchingError(f"Spark could not do it: {text}")
