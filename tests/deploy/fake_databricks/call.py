"""One call of the program: its words and options, and what it says."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.deploy.fake_databricks.bundle import Bundle
from tests.deploy.fake_databricks.workspace import Failure, Workspace

WITH_VALUE = {"--params", "-t", "-o", "--target", "--output", "--var", "--plan", "--name", "--json", "--profile"}
FLAGS = {"--strict", "--auto-approve", "--force-lock", "--force-pull", "--force"}
NETWORK = 'Error: Get "https://fake.example/api": dial tcp: lookup fake.example: no such host'


class Call:
    """One call of the program."""

    def __init__(self, argv: list[str], environ: Mapping[str, str], cwd: Path) -> None:
        self.environ, self.cwd = environ, cwd
        self.options: dict[str, Any] = {"var": [], "params": []}
        self.words: list[str] = []
        given = iter(argv)
        for word in given:
            name, equals, value = word.partition("=")
            if name in WITH_VALUE:
                self._take(name, value if equals else next(given))
            elif word in FLAGS:
                self.options[word.lstrip("-")] = True
            elif word.startswith("-"):
                raise Failure(f"Error: unknown flag: {word}")
            else:
                self.words.append(word)
        self.space = Workspace(Path(environ["FAKE_DATABRICKS"]))
        self.out: list[str] = []
        self.err: list[str] = []

    def _take(self, name: str, value: str) -> None:
        name = {"-t": "target", "-o": "output"}.get(name, name.lstrip("-"))
        if name in ("var", "params"):
            self.options[name].append(value)
        else:
            self.options[name] = value

    def run(self) -> None:
        """Do what was asked for."""
        words = [*self.words, "", ""]
        command = words[2] if words[:2] == ["bundle", "deployment"] else words[1] if words[0] == "bundle" else words[0]
        if command != "version":
            self.space.data["calls"].append(" ".join(self.words))
            self.space.save()
        self._trouble(command)
        if words[0] == "bundle":
            bundle = Bundle(self.cwd, self.options, self.environ, self.space.data["user"])
            getattr(self, f"bundle_{command}")(bundle)
        else:
            getattr(self, f"do_{'_'.join(words[:2])}".replace("-", "_").rstrip("_"))()
        self.space.save()

    def _trouble(self, command: str) -> None:
        fails = self.environ.get("FAKE_DATABRICKS_FAIL", "").split(",")
        if f"network:{command}" in fails:
            raise Failure(NETWORK)
        if command in fails:
            raise Failure(f"Error: {command} went wrong")
        if "lock" in fails and command in ("deploy", "bind", "unbind", "destroy") and "force-lock" not in self.options:
            raise Failure("Error: Failed to acquire deployment lock: deploy lock acquired by other@company.com at "
                          "2026-11-01 02:00:00 +0000 UTC. Use --force-lock to override")  # fmt: skip
        if self.environ.get("FAKE_DATABRICKS_HANG") == command:
            signal.signal(signal.SIGINT, _gracefully)
            (self.space.path.parent / "hangs").write_text(str(os.getpid()))
            time.sleep(60)

    def _there(self, place: str, name: str, message: str) -> Any:
        found = self.space.data[place].get(name)
        if found is None:
            raise Failure(message)
        return found

    def _version(self) -> str:
        return self.environ.get("FAKE_DATABRICKS_VERSION", "1.27.0")

    def _tell(self, value: Any) -> None:
        self.out.append(json.dumps(value, indent=2))


def _gracefully(*_signal: Any) -> None:
    sys.stderr.write("Operation interrupted. Gracefully shutting down...\n")
    (Path(os.environ["FAKE_DATABRICKS"]) / "ended gracefully").touch()
    sys.exit(130)
