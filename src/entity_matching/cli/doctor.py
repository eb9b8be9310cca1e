"""``entity-matching doctor``."""

from __future__ import annotations

import re
from typing import Any

from entity_matching.cli.console import Terminal, grid
from entity_matching.cli.options import AsJson

_DISTRIBUTION = "entity-matching"
_NEEDED_FOR = {
    "local": "the tables of the lakehouse and the model registry on this machine",
    "train": "training and running the language model",
    "databricks": "deploying to Databricks",
    "dev": "working on the project",
}
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?P<range>[^;]*)(?:;.*extra == ['\"](?P<extra>[^'\"]+)['\"])?")


def doctor(as_json: AsJson = False) -> None:
    """Show versions, processors, memory and disk, and which optional parts are installed.

    Ends with 1 if a package that is always needed is missing.
    """
    terminal = Terminal(as_json)
    found = examine()
    _show(found, terminal)
    terminal.result(found)
    if found["missing"]:
        import typer

        raise typer.Exit(1)


def examine() -> dict[str, Any]:
    """Return what the command shows: sizes in bytes, versions as text (``None``: not installed)."""
    import os
    import platform
    import shutil

    import psutil

    from entity_matching.version import __version__

    memory = psutil.virtual_memory()
    disk = shutil.disk_usage(os.getcwd())
    parts = _packages()
    core = parts.pop("", {})
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else os.cpu_count(),
        "memory": {"total": memory.total, "available": memory.available},
        "disk": {"total": disk.total, "free": disk.free},
        "packages": core,
        "missing": [name for name, version in core.items() if version is None],
        "parts": {
            extra: {
                "installed": all(packages.values()),
                "packages": packages,
                "needed_for": _NEEDED_FOR.get(extra, ""),
                "install": f"pip install '{_DISTRIBUTION}[{extra}]'",
            }
            for extra, packages in sorted(parts.items())
        },
    }


def _packages() -> dict[str, dict[str, str | None]]:
    """Return the version of each package the distribution names, by extra; those of the core under ``""``."""
    from importlib import metadata

    found: dict[str, dict[str, str | None]] = {}
    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        requirements = []
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None:
            continue
        try:
            version: str | None = metadata.version(match["name"])
        except metadata.PackageNotFoundError:
            version = None
        found.setdefault(match["extra"] or "", {})[match["name"]] = version
    return found


def _show(found: dict[str, Any], terminal: Terminal) -> None:
    machine = grid("This machine", "what", "value")
    machine.add_row("entity-matching", found["version"])
    machine.add_row("Python", found["python"])
    machine.add_row("system", found["platform"])
    machine.add_row("processors", str(found["processors"]))
    machine.add_row("memory", f"{_gib(found['memory']['available'])} of {_gib(found['memory']['total'])} available")
    machine.add_row("disk (this folder)", f"{_gib(found['disk']['free'])} of {_gib(found['disk']['total'])} free")
    terminal.show(machine)
    packages = grid("Packages", "package", "version")
    for name, version in found["packages"].items():
        packages.add_row(name, version or "MISSING")
    terminal.show(packages)
    parts = grid("Optional parts", "part", "needed for", "state")
    for extra, part in found["parts"].items():
        absent = [name for name, version in part["packages"].items() if version is None]
        state = "installed" if part["installed"] else f"missing: {', '.join(absent)}"
        parts.add_row(extra, part["needed_for"], state)
    terminal.show(parts)
    for extra, part in found["parts"].items():
        if not part["installed"]:
            terminal.say(f"To get '{extra}': {part['install']}")
    if found["missing"]:
        terminal.say(f"Missing: {', '.join(found['missing'])}. Install again: pip install {_DISTRIBUTION}")


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
