"""The rules of the code that no linter holds; CONTRIBUTING.md states them."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "entity_matching"
FILES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted(file.parent for file in FILES if file.name == "__init__.py" and file.parent != PACKAGE)

BANNED_IMPORTS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
BANNED_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}
HEAVY = ("lightgbm", "matplotlib", "pandas", "sklearn", "torch")


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _banned(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        yield from (name for name in names if name.partition(".")[0] in BANNED_IMPORTS)
        if isinstance(node, ast.Call):
            if _dotted(node.func) in BANNED_CALLS:
                yield _dotted(node.func)
            for keyword in node.keywords:
                on = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                if on and keyword.arg in ("shell", "allow_pickle"):
                    yield f"{keyword.arg}=True"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_stays_within_400_lines(path: Path) -> None:
    assert _lines(path) <= 400


def test_files_are_short_on_the_whole() -> None:
    lengths = [_lines(path) for path in FILES if path.name != "__init__.py"]
    assert statistics.median(lengths) <= 130


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_nothing_that_runs_what_it_reads(path: Path) -> None:
    assert list(_banned(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "eval(x)", "os.system(x)", "run(x, shell=True)", "yaml.load(x)"],
)
def test_the_ban_is_noticed(code: str) -> None:
    assert list(_banned(ast.parse(code)))


@pytest.mark.parametrize("package", PACKAGES, ids=_name)
def test_every_package_has_tests_of_its_own(package: Path) -> None:
    folder = ROOT / "tests" / package.relative_to(PACKAGE)
    assert list(folder.glob("test_*.py")), f"no test file in {folder.relative_to(ROOT)}"


def test_importing_the_package_is_quick_and_light() -> None:
    code = (
        "import sys, time, entity_matching; "
        f"print(time.process_time(), *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    # Processor time of the whole interpreter: unlike the clock, it does not depend on what else the machine does.
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        taken, *heavy = done.stdout.split()
        assert heavy == []
        seconds.append(float(taken))
    assert min(seconds) < 0.3


def test_imports_point_downward() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_contributing_fits_on_a_page_or_two() -> None:
    assert _lines(ROOT / "CONTRIBUTING.md") <= 80
