"""Entity Matching: finds the record of a master list that a messy record denotes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entity_matching.version import __version__

if TYPE_CHECKING:
    from entity_matching.matcher import Matcher, match
    from entity_matching.schema import Schema

__all__ = ["Matcher", "Schema", "__version__", "match"]

_HOME = {
    "Matcher": "entity_matching.matcher",
    "Schema": "entity_matching.schema",
    "match": "entity_matching.matcher",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that ``import entity_matching`` costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - not needed for the import itself

    return getattr(importlib.import_module(_HOME[name]), name)
