"""What there is in the workspace that is played."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Failure(Exception):
    """Ends the command with exit code 1 and this on stderr."""


class Workspace:
    """What there is in the workspace, kept in one file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "workspace.json"
        empty: dict[str, Any] = {"jobs": {}, "endpoints": {}, "models": {}, "catalogs": {}, "states": {}, "next": 101,
                                 "wheel": False, "calls": [], "user": "first.last@company.com"}  # fmt: skip
        self.data = {**empty, **json.loads(self.path.read_text())} if self.path.exists() else empty

    def save(self) -> None:
        """Write it down."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.data, indent=1))

    def remote(self, key: str, identifier: str) -> Any:
        """Return what is there under an id."""
        return self.data[place(key)].get(identifier)


def place(key: str) -> str:
    """Return what a resource is kept under."""
    return "jobs" if key.startswith("jobs.") else "endpoints"


def register(space: Workspace, model: str) -> None:
    """Register one more version of a model, and make it the champion."""
    found = space.data["models"].setdefault(model, {"aliases": {}, "versions": []})
    found["versions"].append(len(found["versions"]) + 1)
    found["aliases"]["champion"] = found["versions"][-1]
    space.save()
