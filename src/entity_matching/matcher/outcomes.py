"""Held-out outcomes: what thresholds are derived from, kept with the model.

With them a user can ask a trained model for another target precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from entity_matching.config import DecisionSettings
from entity_matching.matcher.decide import Thresholds


@dataclass(frozen=True)
class Outcomes:
    """Records decided by a scorer that had not seen their entity; arrays of shape (records,).

    ``confidence``: of the best candidate, 0 to 1. ``right``: whether it is the true counterpart.
    ``has_truth``: whether the record has one.
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    has_truth: NDArray[np.bool_]

    def thresholds(self, settings: DecisionSettings) -> Thresholds:
        """Derive the thresholds for the wanted precision and share kept."""
        return Thresholds.derive(self.confidence, self.right, self.has_truth, settings)

    def to_table(self) -> pa.Table:
        """Return the outcomes as a table, to be saved."""
        return pa.table({"confidence": self.confidence, "right": self.right, "has_truth": self.has_truth})

    @classmethod
    def from_table(cls, table: pa.Table) -> Outcomes:
        """Read what :meth:`to_table` gave."""
        confidence, right, has_truth = (
            np.asarray(table[name].to_numpy()) for name in ("confidence", "right", "has_truth")
        )
        return cls(confidence.astype(np.float64), right.astype(np.bool_), has_truth.astype(np.bool_))
