"""Small models put into a registry."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
