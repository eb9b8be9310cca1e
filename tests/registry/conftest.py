"""A registry to copy: two versions, the first in force, the second its challenger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.checksums import write_checksums
from entity_matching.registry.tracking import TrainingRecord, log_and_register
from entity_matching.registry.versions import Versions

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
CODE = """
import mlflow
from mlflow.pyfunc import PythonModel


class Echo(PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


mlflow.models.set_model(Echo())
"""


@dataclass(frozen=True)
class Register:
    """Registers small models: a manifest with a text, no matcher."""

    folder: Path

    def model(self, text: str, *, signed: bool = True) -> tuple[dict[str, Any], str]:
        """Return what a model is logged by, and the digest of its list of files."""
        from mlflow.models import ModelSignature  # noqa: PLC0415
        from mlflow.types import ColSpec, Schema  # noqa: PLC0415

        artifact = self.folder / "model"
        shutil.rmtree(artifact, ignore_errors=True)
        artifact.mkdir(parents=True)
        (artifact / "model.json").write_text(json.dumps({"text": text}))
        (artifact / "training.json").write_text(json.dumps({"evaluation": {"f1": {"value": 0.9}}}))
        code = self.folder / "code.py"
        code.write_text(CODE)
        columns = Schema([ColSpec("string", "left_entity")])
        signature = ModelSignature(columns, columns) if signed else None
        checksum = write_checksums(artifact)
        given = {
            "python_model": str(code), "artifacts": {"model": str(artifact)}, "signature": signature,
            "pip_requirements": ["numpy"],
        }  # fmt: skip
        return given, checksum

    def __call__(self, versions: Versions, text: str, **more: Any) -> str:
        """Register a model whose fingerprint is its text; return its number."""
        given, checksum = self.model(text)
        record = TrainingRecord(fingerprint=text, parameters={"seed": 0}, **more)
        return log_and_register(versions, record, given, checksum)


@pytest.fixture(scope="session")
def register(tmp_path_factory: pytest.TempPathFactory) -> Register:
    return Register(tmp_path_factory.mktemp("register"))


@pytest.fixture(scope="session")
def two_versions(
    tmp_path_factory: pytest.TempPathFactory, give_registry: Callable[[Path], None], register: Register
) -> Path:
    home = tmp_path_factory.mktemp("registered")
    give_registry(home)
    with Versions.open(LakehouseSettings(home=home)) as versions:
        versions.promote(register(versions, "first"), by="ann", at=NOW)
        versions.challenge(register(versions, "second"), {"verdict": "refused", "reason": "worse"})
    return home


@pytest.fixture
def settings(two_versions: Path, tmp_path: Path) -> LakehouseSettings:
    """Return settings of a home of the test's own, with a copy of the registry."""
    shutil.copytree(two_versions, tmp_path / "home")
    return LakehouseSettings(home=tmp_path / "home")


@pytest.fixture
def versions(settings: LakehouseSettings) -> Iterator[Versions]:
    with Versions.open(settings) as opened:
        yield opened
