"""The wheel: built once, installed where nothing else of the project is, and used there."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from entity_matching.deploy import wheel_probe
from entity_matching.deploy.bundle import BundleError, User, load
from entity_matching.deploy.preflight import checks
from entity_matching.deploy.tasks import tasks_of
from entity_matching.deploy.wheel import build_wheel, check_wheel, entry_points_in, requirements_in

ROOT = Path(__file__).parents[2]
FULL = "ENTITY_MATCHING_FULL_INSTALL"
"""Environment variable that asks for a test that installs all the wheel requires, from a package index."""

pytestmark = pytest.mark.xdist_group("wheel")


def test_the_wheel_works_alone_without_torch_spark_or_sail() -> None:
    bundle = load(ROOT, 1, "dev", variables={}, user=User("ann@example.com"), environment={})

    (check,) = [one for one in checks(bundle, ROOT, environment={}) if one.name == "wheel"]

    assert check.ok, check.message
    assert "installed alone: " in check.message


@pytest.mark.skipif(not os.environ.get(FULL), reason=f"{FULL} is not set: it takes minutes and a package index")
@pytest.mark.timeout(900)
def test_the_wheel_works_with_just_what_it_requires() -> None:
    (check,) = check_wheel(ROOT, full=True)

    assert check.ok, check.message


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("dist"))


def test_the_wheel_has_every_entry_point_that_a_task_names(wheel: Path) -> None:
    bundle = load(ROOT, 3, "dev", variables={"model_version": "1"}, user=User("ann@example.com"), environment={})

    named = {task.content["python_wheel_task"]["entry_point"] for task in tasks_of(bundle)}

    assert named and named <= set(entry_points_in(wheel))
    assert wheel.name.startswith("entity_matching-")  # the package_name of every task, as wheels spell it


def test_the_wheel_requires_nothing_heavy(wheel: Path) -> None:
    required = requirements_in(wheel)

    assert any(one.startswith("pyarrow") for one in required)
    assert not [one for one in required if one.startswith(("torch", "pyspark", "pysail", "mlflow", "transformers"))]


def _project(
    folder: Path, *requirements: str, body: str = "import sys\ndef main(argv): print('help'); sys.exit(0)\n"
) -> Path:
    package = folder / "small"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(body)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "small"\nversion = "1"\ndependencies = {list(requirements)}\n'
        '[project.scripts]\nSmall-Job = "small:main"\n'
    )
    return folder


def test_a_build_that_fails_is_told_in_a_line_or_two(tmp_path: Path) -> None:
    project = _project(tmp_path)
    (project / "pyproject.toml").write_text("[project\n")

    with pytest.raises(BundleError, match="The wheel cannot be built") as raised:
        build_wheel(project, tmp_path / "dist")

    assert len(raised.value.message) < 1_000


@pytest.mark.parametrize("command", ["a=builtins:print", "a=json:nothing", "a=no_such_module:main"])
def test_a_command_that_does_not_answer_is_told(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))  # what is shut out is so for this test

    assert wheel_probe.main(["--shut-out", command]).startswith(
        ("a --help: did not end", "a --help: AttributeError", "a --help: Mod")
    )


def test_names_and_requirements_are_read_from_a_wheel(tmp_path: Path) -> None:
    file = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x-1.dist-info/entry_points.txt", "[console_scripts]\nMy-Job = x.y:main\n[other]\na = b\n")
        archive.writestr(
            "x-1.dist-info/METADATA", 'Name: x\nRequires-Dist: a>=1\nRequires-Dist: b; extra == "c"\n\nText'
        )

    assert entry_points_in(file) == {"My-Job": "x.y:main"}
    assert requirements_in(file) == ["a>=1"]
