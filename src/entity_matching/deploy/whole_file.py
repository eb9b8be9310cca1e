"""Small text files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from entity_matching.errors import OutputError
from entity_matching.storage import replace_text


def write_whole(path: Path, text: str) -> None:
    """Write a file, so that no half of it is ever seen.

    :raises OutputError: if it cannot be written; what was there is untouched then.
    """
    try:
        replace_text(path, text)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}).", remedy="Make room, or make it writable."
        ) from error
