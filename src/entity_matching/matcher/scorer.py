"""The pair scorer: gradient-boosted trees (LightGBM) over similarity features.

Features that can only speak for a match, or only against one, are held to it by monotone constraints: a
closer pair never scores lower. That keeps exact copies on top even where the labels hold none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from entity_matching.config import ScorerSettings
from entity_matching.errors import ArtifactError
from entity_matching.features import Block, Feature
from entity_matching.startup import import_lightgbm

if TYPE_CHECKING:
    import lightgbm

_SHARED_PAIRS = 2_000  # fewer are scored sooner by one thread than threads are woken
_TREE_SIZES = re.compile(r"^tree_sizes=([\d ]*)$", re.MULTILINE)


@dataclass(frozen=True)
class PairScorer:
    """A trained scorer: the features it reads, in order, and the trees."""

    features: tuple[str, ...]
    booster: lightgbm.Booster
    threads: int

    @classmethod
    def train(
        cls,
        features: list[Feature],
        matrix: NDArray[np.float32],
        matches: NDArray[np.bool_],
        weights: NDArray[np.float64],
        settings: ScorerSettings,
        seed: int,
    ) -> PairScorer:
        """Train on labelled pairs.

        :param features: what the matrix's columns are.
        :param matrix: features of each pair, shape (pairs, features).
        :param matches: whether each pair is a match, shape (pairs,).
        :param weights: how much each pair counts, shape (pairs,).
        """
        lightgbm = import_lightgbm()

        parameters = {
            "objective": "binary",
            "learning_rate": settings.learning_rate,
            "num_leaves": settings.leaves,
            "min_data_in_leaf": max(2, min(20, int(matches.sum()) // 10)),
            "feature_fraction": 0.5,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "monotone_constraints": [feature.direction if settings.monotone else 0 for feature in features],
            "seed": seed,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": settings.threads,
            "verbosity": -1,
        }
        data = lightgbm.Dataset(matrix, label=matches.astype(np.int8), weight=weights, free_raw_data=True)
        booster = lightgbm.train(parameters, data, num_boost_round=settings.trees)
        return cls(tuple(feature.name for feature in features), booster, settings.threads)

    def predict(self, block: Block) -> NDArray[np.float64]:
        """Return the raw probability of each pair being a match, 0 to 1, shape (pairs,)."""
        return self.predict_matrix(block.matrix(self.features))

    def predict_matrix(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Do the same with the features side by side, shape (pairs, features), in this scorer's order."""
        if not len(matrix):
            return np.zeros(0, dtype=np.float64)
        threads = self.threads if len(matrix) >= _SHARED_PAIRS else 1
        return np.asarray(self.booster.predict(matrix, num_threads=threads), dtype=np.float64)

    def importance(self) -> dict[str, float]:
        """Return the gain that each feature brought, largest first."""
        gains = self.booster.feature_importance("gain")
        pairs = sorted(zip(self.features, gains, strict=True), key=lambda pair: -pair[1])
        return {name: float(gain) for name, gain in pairs}

    def to_text(self) -> str:
        """Return the trees as LightGBM's text format."""
        return str(self.booster.model_to_string())

    @classmethod
    def from_text(cls, text: str, features: tuple[str, ...], threads: int) -> PairScorer:
        """Read what :meth:`to_text` gave.

        :raises ArtifactError: if the text is no LightGBM model, or has another number of features.
        """
        lightgbm = import_lightgbm()

        if not _is_whole(text):  # LightGBM ends the process on a text that breaks off
            raise ArtifactError("The scorer's trees are not whole.", remedy="Train the model again.")
        try:
            booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise ArtifactError(
                f"The scorer's trees cannot be read: {error}.", remedy="Train the model again."
            ) from error
        if booster.num_feature() != len(features):
            raise ArtifactError(
                f"The scorer has {booster.num_feature()} features, its description {len(features)}.",
                remedy="Train the model again.",
            )
        return cls(features, booster, threads)


def _is_whole(text: str) -> bool:
    """Tell whether LightGBM's text holds the trees that its head announces."""
    announced = _TREE_SIZES.search(text)
    end = text.find("end of trees")
    if announced is None or end < 0:
        return False
    start = text.find("Tree=0")
    return end - (start if start >= 0 else end) == sum(map(int, announced[1].split()))
