"""What the benchmarks share: the machine they ran on, a table on the screen, a JSON file."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does

_PACKAGES = ("entity-matching", "numpy", "scipy", "pyarrow", "sparse-dot-topn", "rapidfuzz", "lightgbm", "torch")


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, memory in GB, Python and package versions."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": versions,
    }


def write_json(path: Path | None, name: str, settings: Mapping[str, Any], results: Any) -> None:
    """Write a benchmark's results with the machine and the time; nothing if there is no path."""
    if path is None:
        return
    report = {
        "benchmark": name,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "settings": dict(settings),
        "results": results,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; numbers stand to the right, shares have four digits, large numbers separators."""
    table = Table(title=title, title_justify="left")
    shown = [[_cell(value) for value in row] for row in rows]
    for number, column in enumerate(columns):
        left = any(isinstance(cell, str) and not cell[:1].isdigit() and cell != "-" for cell in _column(shown, number))
        table.add_column(column, justify="left" if left else "right")
    for row in shown:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 160).print(table)


def _column(rows: Sequence[Sequence[str]], number: int) -> list[str]:
    return [row[number] for row in rows]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
