"""Small text files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from entity_matching.errors import OutputError


def write_whole(path: Path, text: str) -> None:
    """Write a file under another name and put it in place, so that no half of it is ever seen.

    :raises OutputError: if it cannot be written; what was there is untouched then.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}).", remedy="Make room, or make it writable."
        ) from error
