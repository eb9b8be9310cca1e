from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer.main

from entity_matching.cli.main import app
from entity_matching.version import __version__

Command = Callable[..., Any]
GROUP: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = GROUP.commands
RUN = "from entity_matching.cli.main import run; run()"


def _parameters() -> list[Any]:
    own = [pytest.param(parameter, id=f"entity-matching {parameter.name}") for parameter in GROUP.params]
    return own + [
        pytest.param(parameter, id=f"{name} {parameter.name}")
        for name, command in COMMANDS.items()
        for parameter in command.params
    ]


def test_the_commands_are_those_there_should_be() -> None:
    assert set(COMMANDS) >= {"match", "train", "evaluate", "describe", "explain", "doctor", "demo"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(command: Command, name: str) -> None:
    assert COMMANDS[name].help
    done = command(name, "--help")
    assert done.code == 0
    assert COMMANDS[name].help.split(".")[0].split(":")[0][:30] in " ".join(done.out.split())


@pytest.mark.parametrize("parameter", _parameters())
def test_every_option_and_argument_has_help(parameter: Any) -> None:
    assert len(parameter.help or "") > 10


def test_the_version_is_told(command: Command) -> None:
    assert command("--version").out == f"entity-matching {__version__}\n"


def test_no_arguments_show_the_help(command: Command) -> None:
    done = command()
    assert "match" in done.out + done.err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["match"], ["match", "a.csv"], ["match", "a.csv", "b.csv"], ["match", "--nonsense"]]
)
def test_wrong_use_ends_with_2(command: Command, arguments: list[str]) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert "Usage: entity-matching" in done.err


def test_an_unexpected_error_is_one_line_and_debug_shows_the_rest(
    command: Command, folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise ZeroDivisionError("by accident")

    monkeypatch.setattr("entity_matching.cli.inputs.read_inputs", fail)
    arguments = ["match", folder.source, folder.reference, "-o", folder.out]
    done = command(*arguments)
    assert done.code == 1
    assert done.err.startswith("Error: something unexpected went wrong (ZeroDivisionError: by accident).")
    assert "Traceback" not in done.err
    done = command("--debug", *arguments)
    assert done.code == 1
    assert "Traceback" in done.err
    assert "by accident" in done.err


def test_too_little_memory_is_told_in_words(command: Command, folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("entity_matching.cli.inputs.read_inputs", fail)
    done = command("match", folder.source, folder.reference, "-o", folder.out)
    assert done.code == 1
    assert "not enough memory" in done.err


SLEEP = """
import sys, time
from pathlib import Path
import entity_matching.cli.inputs
from entity_matching.files.write import replacing
def read(*_args):
    with replacing(Path(sys.argv[-1])) as file:
        file.write(b"half")
        file.flush()
        print("ready", flush=True)
        time.sleep(60)
entity_matching.cli.inputs.read_inputs = read
from entity_matching.cli.main import run
run()
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_ends_cleanly(folder: Any, sent: signal.Signals, code: int) -> None:
    folder.write("out.csv", "old")
    before = set(folder.path.iterdir())
    arguments = [sys.executable, "-c", SLEEP, "match", str(folder.source), str(folder.reference), "-o", str(folder.out)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sent)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert "Traceback" not in err
    assert ("Interrupted" in err) == (sent == signal.SIGINT)
    assert folder.out.read_text() == "old"
    assert set(folder.path.iterdir()) == before


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"], ["--help"]])
def test_a_closed_pipe_is_no_error_to_speak_of(arguments: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=20)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


def test_help_is_quick() -> None:
    code = f"import time; from atexit import register; register(lambda: print(time.process_time())); {RUN}"
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
        seconds.append(float(done.stdout.splitlines()[-1]))
    assert min(seconds) < 0.5


def test_the_command_is_installed() -> None:
    code = "from importlib.metadata import entry_points; print(entry_points(name='entity-matching'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "entity_matching.cli.main:run" in done.stdout
