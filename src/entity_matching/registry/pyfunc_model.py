"""A matcher as an MLflow model: what is to be logged so that it can be loaded and served anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from entity_matching.registry.signature import ARTIFACT, input_example, model_signature, requirements
from entity_matching.schema import Schema

CODE = Path(__file__).with_name("pair_model.py")
"""The model's code, which MLflow runs where the model is loaded."""


def logged_model(artifact: Path, schema: Schema) -> dict[str, Any]:
    """Return the keyword arguments by which ``mlflow.pyfunc.log_model`` and ``save_model`` keep a matcher.

    The model brings this package along, as code; nothing of it is pickled.

    :param artifact: the folder that :meth:`Matcher.save` wrote.
    :param schema: what its records are.
    """
    return {
        "python_model": str(CODE),
        "artifacts": {ARTIFACT: str(artifact)},
        "signature": model_signature(),
        "input_example": input_example(schema),
        "pip_requirements": requirements(artifact),
        "code_paths": [str(Path(__file__).parents[1])],
    }
