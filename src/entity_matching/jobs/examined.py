"""What runs note about the saved references, in files beside them.

Neither file must be there: without them more records are looked at than need be.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entity_matching.lakehouse.settings import LakehouseSettings


def note_examined(settings: LakehouseSettings, run_id: str, reference_version: str) -> None:
    """Note that a run looked for all the records that this reference concerns; earlier notes are dropped."""
    _write(_examined(settings), {"run_id": run_id, "reference_version": reference_version})


def examined_reference(settings: LakehouseSettings, run_id: str) -> str | None:
    """Return the version of the reference that a run looked at; ``None`` if another run has looked since."""
    data = _read(_examined(settings))
    return str(data["reference_version"]) if data.get("run_id") == run_id else None


def read_drift(settings: LakehouseSettings) -> dict[str, float]:
    """Return per version of the reference the share that had changed, step by step, since all records were matched.

    What cannot be read counts as nothing.

    :returns: shares, at least 0; above 1 where some of it changed several times.
    """
    data = _read(_drift(settings))
    return {version: float(share) for version, share in data.items() if isinstance(share, int | float)}


def note_drift(settings: LakehouseSettings, drift: Mapping[str, float]) -> None:
    """Keep what :func:`read_drift` reads."""
    _write(_drift(settings), drift)


def _examined(settings: LakehouseSettings) -> Path:
    return settings.artifacts / "references" / "examined.json"


def _drift(settings: LakehouseSettings) -> Path:
    return settings.artifacts / "references" / "drift.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(path: Path, data: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(dict(data), file, indent=1, sort_keys=True)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
