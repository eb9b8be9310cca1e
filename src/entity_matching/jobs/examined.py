"""What runs note about the saved references, in files beside them.

None of the files must be there: without them more records are looked at than need be, but for how far the reference
has drifted, which then counts from the present one on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from entity_matching.jobs.notes import read_note, write_note
from entity_matching.lakehouse.settings import LakehouseSettings

_EXAMINED, _DECIDED, _DRIFT = "examined", "columns", "drift"  # names of the notes


@dataclass(frozen=True)
class Examined:
    """What a run went by when it looked for the records to match.

    ``reference_version``: the reference of which it looked for all the records it concerns. ``columns``: per source
    system the columns that its records have.
    """

    reference_version: str
    columns: Mapping[str, tuple[str, ...]]


def note_examined(settings: LakehouseSettings, run_id: str, examined: Examined) -> None:
    """Note what a run goes by; earlier notes are dropped."""
    write_note(settings, _EXAMINED, {"run_id": run_id, **asdict(examined)})


def read_examined(settings: LakehouseSettings, run_id: str) -> Examined | None:
    """Return what a run went by; ``None`` if another run has looked since."""
    data = read_note(settings, _EXAMINED)
    version = data.get("reference_version")
    if data.get("run_id") != run_id or not isinstance(version, str):
        return None
    return Examined(version, _columns(data.get("columns")))


def read_columns_decided(settings: LakehouseSettings) -> dict[str, tuple[str, ...]]:
    """Return per source system the columns that its records had when gold was decided, where it is known."""
    return _columns(read_note(settings, _DECIDED))


def note_columns_decided(settings: LakehouseSettings, columns: Mapping[str, Sequence[str]]) -> None:
    """Keep what :func:`read_columns_decided` reads."""
    write_note(settings, _DECIDED, columns)


def read_drift(settings: LakehouseSettings) -> dict[str, float]:
    """Return per version of the reference the share that had changed, step by step, since all records were matched.

    What cannot be read counts as nothing.

    :returns: shares, at least 0; above 1 where some of it changed several times.
    """
    data = read_note(settings, _DRIFT)
    return {version: float(share) for version, share in data.items() if isinstance(share, int | float)}


def note_drift(settings: LakehouseSettings, drift: Mapping[str, float]) -> None:
    """Keep what :func:`read_drift` reads."""
    write_note(settings, _DRIFT, drift)


def _columns(data: Any) -> dict[str, tuple[str, ...]]:
    """Return lists of names by a name; what is none is left out."""
    given = data.items() if isinstance(data, dict) else ()
    return {system: tuple(map(str, names)) for system, names in given if isinstance(names, list)}
