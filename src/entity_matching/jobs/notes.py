"""Small files beside the saved references in which runs note what spares the next one work.

None of them must be there: what cannot be read counts as not noted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entity_matching.lakehouse.settings import LakehouseSettings
from entity_matching.storage import replace_text


def read_note(settings: LakehouseSettings, name: str) -> dict[str, Any]:
    """Return what :func:`write_note` wrote under a name; nothing if it cannot be read."""
    try:
        data = json.loads(_path(settings, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_note(settings: LakehouseSettings, name: str, data: Mapping[str, Any]) -> None:
    """Keep values ready for JSON under a name, whole or not at all, in place of what was there."""
    replace_text(_path(settings, name), json.dumps(dict(data), indent=1, sort_keys=True))


def _path(settings: LakehouseSettings, name: str) -> Path:
    return settings.artifacts / "references" / f"{name}.json"
