"""The wheel: built, installed where nothing else of the project is, and each of its commands asked for help."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from email.parser import HeaderParser
from pathlib import Path

from entity_matching.deploy.check import Check, found
from entity_matching.deploy.wheel_probe import HEAVY
from entity_matching.deploy.yaml_source import BundleError

_NAME = "wheel"
_PROBE = "entity_matching.deploy.wheel_probe"
_PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
_BACKEND = "hatchling"


class _Names(ConfigParser):
    """Names keep their capitals."""

    def optionxform(self, optionstr: str) -> str:
        """Return a name as it is."""
        return optionstr


def build_wheel(root: Path, folder: Path) -> Path:
    """Build the wheel of the project in ``root`` into a folder; nothing is written to ``root``.

    With the build backend that is installed, if it is; else pip fetches it.

    :raises BundleError: with the last of what pip said, if it cannot be built.
    """
    here = ["--no-build-isolation"] if importlib.util.find_spec(_BACKEND) else []
    _run([sys.executable, *_PIP, "wheel", "--no-deps", *here, "--wheel-dir", str(folder), str(root)], "built")
    return max(folder.glob("*.whl"), key=lambda path: path.stat().st_mtime_ns)


def entry_points_in(wheel: Path) -> dict[str, str]:
    """Return the commands of a wheel, each with its ``module:function``."""
    parser = _Names(delimiters=("=",))
    parser.read_string(_metadata(wheel, "entry_points.txt"))
    return dict(parser["console_scripts"]) if parser.has_section("console_scripts") else {}


def requirements_in(wheel: Path) -> list[str]:
    """Return what a wheel requires by itself, without extras."""
    needed = HeaderParser().parsestr(_metadata(wheel, "METADATA")).get_all("Requires-Dist") or []
    return [one for one in needed if "extra ==" not in one]


def check_wheel(root: Path, *, full: bool = False) -> list[Check]:
    """Build the wheel and install it in an environment that has no torch, Spark or Sail; ask each command for help.

    :param full: whether to install all that the wheel requires in a new environment, which takes minutes and a package
        index. By default what is required is taken from the environment that is there, with those packages shut out.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="entity-matching-wheel-") as folder:
            return _checked(root, Path(folder), full=full)
    except BundleError as error:
        return [Check(_NAME, False, error.message, error.remedy)]


def _checked(root: Path, folder: Path, *, full: bool) -> list[Check]:
    wheel = build_wheel(root, folder / "dist")
    commands = entry_points_in(wheel)
    heavy = [(f"{wheel.name} requires {one}", "Move it to an extra.") for one in _heavy(requirements_in(wheel))]
    install = _install_in_full if full else _install_alone
    program, environment = install(root, wheel, folder)
    asked = [f"{name}={place}" for name, place in commands.items()]
    _run([program, "-m", _PROBE, *([] if full else ["--shut-out"]), *asked], "used", folder, environment)
    how = "with all it requires" if full else "alone"
    return found(_NAME, heavy, f"{wheel.name} installed {how}: {len(commands)} commands answer without torch or Spark")


def _install_alone(root: Path, wheel: Path, folder: Path) -> tuple[str, dict[str, str]]:
    place = folder / "installed"
    _run([sys.executable, *_PIP, "install", "--no-deps", "--no-index", "--target", str(place), str(wheel)], "installed")
    return sys.executable, {**os.environ, "PYTHONPATH": str(place)}


def _install_in_full(root: Path, wheel: Path, folder: Path) -> tuple[str, dict[str, str]]:
    place = folder / "environment"
    venv.create(place, with_pip=True)
    program = str(place / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    constraints = root / "constraints.txt"
    exact = ["-c", str(constraints)] if constraints.is_file() else []
    _run([program, *_PIP, "install", *exact, str(wheel)], "installed")
    return program, {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _run(
    command: Sequence[str], what: str, folder: Path | None = None, environment: dict[str, str] | None = None
) -> None:
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode != 0:
        lines = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        raise BundleError(
            f"The wheel cannot be {what}: {' '.join(lines[-3:]) or f'pip ended with {ended.returncode}'}",
            remedy="Correct what it names; by hand it is: python3 -m pip wheel --no-deps .",
        )


def _heavy(requirements: Sequence[str]) -> Iterator[str]:
    for one in requirements:
        name = one.replace("_", "-").lower()
        if any(name == package or name.startswith(tuple(package + end for end in " <>=!~[;(")) for package in HEAVY):
            yield one


def _metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(f".dist-info/{name}"):
                return archive.read(member).decode("utf-8")
    return ""
