"""The model that MLflow serves, as code: it judges pairs of records.

MLflow copies this file into each model it saves, and runs it where the model is loaded; nothing else imports it.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from entity_matching.errors import InputError
from entity_matching.matcher import Matcher
from entity_matching.registry.entities import read_entities
from entity_matching.registry.signature import ARTIFACT, LEFT, RIGHT
from entity_matching.schema import Side


class PairModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc]  # MLflow loads it lazily
    """Says of pairs of records whether they denote the same entity."""

    matcher: Matcher

    def load_context(self, context: Any) -> None:
        """Load the matcher that lies beside this file."""
        self.matcher = Matcher.load(context.artifacts[ARTIFACT])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Judge pairs.

        :param model_input: the columns ``left_entity`` and ``right_entity``, each a record as text.
        :returns: ``prediction`` (0 or 1) and ``confidence`` (0 to 1), one row per pair.
        :raises MlflowException: if a record cannot be read; servers answer it with 400.
        """
        try:
            tables = [
                read_entities(model_input[column].tolist(), self.matcher.schema, side, column)
                for column, side in ((LEFT, Side.SOURCE), (RIGHT, Side.REFERENCE))
            ]
        except InputError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        judged: pd.DataFrame = self.matcher.score_pairs(*tables).to_pandas()
        judged.index = model_input.index
        return judged


mlflow.models.set_model(PairModel())
