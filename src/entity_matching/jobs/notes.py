"""Small files beside the saved references in which runs note what spares the next one work.

None of them must be there: what cannot be read counts as not noted.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entity_matching.lakehouse.settings import LakehouseSettings


def read_note(settings: LakehouseSettings, name: str) -> dict[str, Any]:
    """Return what :func:`write_note` wrote under a name; nothing if it cannot be read."""
    try:
        data = json.loads(_path(settings, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_note(settings: LakehouseSettings, name: str, data: Mapping[str, Any]) -> None:
    """Keep values ready for JSON under a name, whole or not at all, in place of what was there."""
    path = _path(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(dict(data), file, indent=1, sort_keys=True)
        Path(temporary).chmod(0o644)  # for the jobs of other users
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _path(settings: LakehouseSettings, name: str) -> Path:
    return settings.artifacts / "references" / f"{name}.json"
