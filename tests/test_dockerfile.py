"""The image of the endpoint: the rules that a linter would hold, read from the file."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import typer.main
from dockerfile_parse import DockerfileParser

from entity_matching.cli.main import app

ROOT = Path(__file__).parents[1]
PARSER = DockerfileParser(fileobj=io.BytesIO((ROOT / "Dockerfile").read_bytes()))
STEPS: list[dict[str, Any]] = [step for step in PARSER.structure if step["instruction"] != "COMMENT"]
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def values(instruction: str) -> list[str]:
    return [step["value"] for step in STEPS if step["instruction"] == instruction]


def final() -> list[dict[str, Any]]:
    """Return the steps of the last stage."""
    last = max(place for place, step in enumerate(STEPS) if step["instruction"] == "FROM")
    return STEPS[last:]


def last(instruction: str) -> str:
    return str([step["value"] for step in final() if step["instruction"] == instruction][-1])


def test_base_images_are_slim_and_of_a_fixed_release() -> None:
    for value in values("FROM"):
        assert re.fullmatch(r"python:3\.1[123]-slim-[a-z]+( AS \w+)?", value)


def test_it_does_not_run_as_root() -> None:
    user, _, group = last("USER").partition(":")
    assert int(user) >= 10_000 and int(group) >= 10_000  # a number, which Kubernetes can check
    kinds = [step["instruction"] for step in final()]
    assert "RUN" not in kinds[kinds.index("USER") :]


def test_commands_are_lists_so_that_signals_arrive() -> None:
    for instruction in ("ENTRYPOINT", "CMD"):
        assert isinstance(json.loads(last(instruction)), list)
    assert "CMD [" in last("HEALTHCHECK")
    assert last("STOPSIGNAL") == "SIGTERM"


def test_what_is_installed_leaves_nothing_behind() -> None:
    for value in values("RUN"):
        for command in re.split(r"&&|;", value):
            words = shlex.split(command)
            assert words[0] not in ("sudo", "cd", "curl", "wget")
            if words[0] == "pip":
                assert "--no-cache-dir" in words
            if words[:2] == ["apt-get", "install"]:
                assert {"-y", "--no-install-recommends"} <= set(words)
                assert "rm -rf /var/lib/apt/lists/*" in value
            assert words[:2] not in (["apt-get", "upgrade"], ["apt-get", "dist-upgrade"])


def test_files_are_copied_by_name_and_the_rest_is_ignored() -> None:
    assert not values("ADD")
    assert IGNORED[0] == "*"
    allowed = {line.removeprefix("!") for line in IGNORED if line.startswith("!")}
    for value in values("COPY"):
        if not value.startswith("--from="):
            for source in value.split()[:-1]:
                assert (ROOT / source).exists()
                assert source in allowed
    for name in (".git", ".entity-matching", "tests", "examples", ".env"):
        assert not any(fnmatch(name, pattern) for pattern in allowed)


def test_it_holds_no_secret() -> None:
    for value in values("ENV") + values("ARG"):
        assert not re.search(r"token|secret|password|key", value, re.IGNORECASE)


def test_paths_are_absolute() -> None:
    for instruction in ("WORKDIR", "VOLUME"):
        assert all(value.startswith("/") for value in values(instruction))


def test_the_extra_exists_and_is_enough() -> None:
    [extra] = re.findall(r"\.whl\)\[(\w+)\]", " ".join(values("RUN")))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extra in extras
    left_out = ("torch", "transformers", "pyspark", "pysail", "deltalake", "databricks")
    assert not [name for name in extras[extra] if name.startswith(left_out)]
    code = f"""
import sys
for name in {left_out!r}:
    sys.modules[name] = None
import entity_matching.serving.worker, entity_matching.serving.server, entity_matching.cli.endpoint
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_is_one_of_ours() -> None:
    words = [*json.loads(last("ENTRYPOINT")), *json.loads(last("CMD"))]
    assert words[0] == "entity-matching"
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(1)]
    context = command.make_context("start", words[1:])
    assert context.params["host"] == "0.0.0.0"
    assert context.params["foreground"]
    assert int(last("EXPOSE")) == context.params["port"]
    assert f":{context.params['port']}/ready" in last("HEALTHCHECK")


@pytest.mark.parametrize("name", ["LABEL", "HEALTHCHECK", "ENTRYPOINT", "CMD"])
def test_it_is_said_once(name: str) -> None:
    assert len(values(name)) == 1
