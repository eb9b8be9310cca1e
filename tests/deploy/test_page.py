"""What docs/deployment.md says to type can be typed, and what it shows and quotes is what is there.

Commands for dev are run against the played workspace, as they stand there and in their order, as at a terminal. Of
those for this machine the quick ones are run; tests/deploy/local and tests/cli/test_schedule.py run the others. Those
that ask a workspace by its SDK, or the endpoint, are run by tests/deploy/test_remote_state.py and
tests/cli/test_endpoint.py.
"""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from entity_matching.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
GROUP: Any = typer.main.get_command(app)
CATALOG = "first_last_entity_matching_dev"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
OURS = re.compile(r"(?:\.venv/bin/)?(?:entity-matching|\./deploy-phase\.sh)\s")
INLINE = [
    text for text in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)) if OURS.match(text)
]
PLAYED_ELSEWHERE = ("entity-matching status", "entity-matching endpoint")
LOCAL_ELSEWHERE = (
    "entity-matching deploy all -t local --yes",
    "./deploy-phase.sh 2 local",
    "./deploy-phase.sh 3 local",
    "./deploy-phase.sh 2 local --var endpoint_port=8081",
    "entity-matching run setup_unity_catalog -t local",
    "entity-matching run train_ditto_model -t local",
    "entity-matching run entity_matching_pipeline -t local",
    "entity-matching schedule status",
)
LOCAL_HERE = (
    "./deploy-phase.sh 1 local",
    "entity-matching status -t local",
    "entity-matching destroy -t local",
    "entity-matching destroy-data -t local",
)


def shown() -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of the blocks, each with the lines that stand under it."""
    for block in BLOCKS:
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            yield command.removeprefix(".venv/bin/"), [line for line in lines if line.strip() not in ("", "...")]


SHOWN = list(shown())
TYPED = sorted({command for command, _ in SHOWN if OURS.match(command)} | set(INLINE))


def words_of(command: str) -> list[str]:
    """Return the arguments of ``entity-matching``; the script hands its own over, which test_commands.py tests."""
    words = shlex.split(command)
    return ["deploy", words[1], "--target", *words[2:]] if words[0] == "./deploy-phase.sh" else words[1:]


def is_for(command: str, target: str) -> bool:
    """Say whether a command is for a target; those that name a target in general are for none."""
    return target in shlex.split(command)


def plain(line: str) -> str:
    """Return a line without the frame of a table."""
    return " ".join(re.sub(r"[│┃]", " ", line).split())


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer every question with yes, or with the catalog's name."""

    def confirm(question: str, **_options: Any) -> bool:
        sys.stderr.write(f"{question} [y/N]: y\n")
        return True

    monkeypatch.setattr("typer.confirm", confirm)
    monkeypatch.setattr("typer.prompt", lambda *_words, **_options: CATALOG)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)


@pytest.fixture
def place(project: Any, terminal: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a project to work in, with the checks that need no wheel."""
    module = sys.modules.pop("entity_matching.deploy.preflight")
    real = importlib.import_module("entity_matching.deploy.preflight")
    known: dict[int, Any] = {}

    def checks(bundle: Any, _root: Path) -> Any:
        if bundle.phase not in known:  # they take most of the time, and the page shows those of the first time
            known[bundle.phase] = real.checks(bundle, ROOT, wheel=False, now=NOW)
        return known[bundle.phase]

    monkeypatch.setattr(module, "checks", checks)
    monkeypatch.setitem(sys.modules, "entity_matching.deploy.preflight", module)
    shutil.copytree(ROOT / "examples" / "databricks", project.root / "examples" / "databricks")
    monkeypatch.chdir(project.root)
    return project


def test_there_is_something_to_test() -> None:
    assert len(SHOWN) > 20 and len(TYPED) > 25 and sum(len(lines) for _, lines in SHOWN) > 30


@pytest.mark.parametrize("line", [command for command in TYPED if not re.search(r"\bPHASE\b", command)])
def test_a_command_can_be_typed(line: str) -> None:
    words = words_of(line)
    command: Any = GROUP
    while hasattr(command, "commands") and words:
        assert words[0] in command.commands, line
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands"), line
    command.make_context(line, words)


def test_what_is_shown_of_dev_is_what_is_told(place: Any) -> None:
    for command, lines in SHOWN:
        words = shlex.split(command)
        if words[0] == "databricks":
            code, out, err = place.fake.main(words[1:], {"FAKE_DATABRICKS": str(place.folder)}, place.root)
            assert code == 0, err
        elif words[0] == "mkdir":
            (place.root / words[-1]).mkdir(parents=True)
        elif words[0] == "cp":
            shutil.copy(place.root / words[1], place.root / words[2])
        elif OURS.match(command) and is_for(command, "dev") and not command.startswith(PLAYED_ELSEWHERE):
            done = place.command(*words_of(command))
            assert done.code == 0, (command, done.err)
            told = [plain(line) for line in (done.out + done.err).splitlines()]
            for line in map(plain, lines):
                if line.endswith("..."):
                    assert any(one.startswith(line.removesuffix("...").strip()) for one in told), (command, line)
                else:
                    assert line in told, (command, line, told)
    assert place.space["jobs"] == {} and place.space["catalogs"] == {}, "the page ends with all of it gone"


def test_what_the_text_says_to_do_in_dev_is_done(place: Any) -> None:
    place.up_to(3)
    commands = [one for one in dict.fromkeys(INLINE) if is_for(one, "dev") and not one.startswith(PLAYED_ELSEWHERE)]
    assert len(commands) > 4
    for command in commands:
        done = place.command(*words_of(command))
        assert done.code == 0, (command, done.err)


def test_what_is_quick_on_this_machine_is_run(
    project: Any, terminal: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ENTITY_MATCHING_HOME", str(tmp_path / "home"))
    told = {command: project.command(*words_of(command)) for command in LOCAL_HERE}
    assert [done.code for done in told.values()] == [0, 0, 0, 0], told
    assert "Phase 1 is deployed" in told["entity-matching status -t local"].out
    assert "is destroyed" in told["entity-matching destroy -t local"].out
    done = project.command(*words_of("./deploy-phase.sh 2 local"))
    assert done.code == 1 and "Phase 2 comes after phase 1" in done.err


def test_every_command_for_this_machine_is_run_somewhere() -> None:
    there = {one.removeprefix(".venv/bin/") for one in TYPED if is_for(one, "local") or "schedule" in one.split()}
    assert there == {*LOCAL_ELSEWHERE, *LOCAL_HERE}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def test_the_variables_are_those_that_there_are() -> None:
    declared = yaml.safe_load((ROOT / "resources" / "targets.yml").read_text(encoding="utf-8"))["variables"]
    listed = {name: row for row in rows("Variables") for name in re.findall(r"`(\w+)`", row[0])}
    assert set(listed) == set(declared)
    for name, variable in declared.items():
        default = variable["default"]
        if isinstance(default, str) and default and "${" not in default:
            assert f"`{default}`" in listed[name][1], name


def test_other_variables_of_the_page_are_declared() -> None:
    declared: set[str] = set()
    for path in (ROOT / "resources").glob("*.yml"):
        declared |= set(yaml.safe_load(path.read_text(encoding="utf-8")).get("variables") or {})
    named = set(re.findall(r"--var \"?(\w+)=", PAGE)) | {"task_retries", "endpoint_callers"}
    assert named - {"NAME"} <= declared
    assert "`task_retries`" in PAGE and "`endpoint_callers`" in PAGE


@pytest.fixture(scope="module")
def messages() -> list[str]:
    """Return all texts of the source, with … for what is put into them."""
    found = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts))
    return found


def test_a_message_that_is_explained_is_one_that_there_is(messages: list[str]) -> None:
    explained = [re.findall(r"`([^`]+)`", row[0])[0] for row in rows("Troubleshooting")]
    assert len(explained) > 12
    for message in explained:
        assert any(message in text for text in messages), message


PATHS = sorted({path for path in re.findall(r"`((?:resources|examples|databricks-)[\w./-]+)`", PAGE) if "." in path})


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()
