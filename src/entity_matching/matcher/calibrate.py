"""Calibration: from a scorer's raw probability to the share of such candidates that are right.

A monotone map in log-odds, ``logit(p') = a * logit(p) + b`` (Platt 1999), fitted with Platt's smoothed
targets on pairs the scorer was not trained on. Two parameters, so that a thousand labels are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EDGE = 1e-6
"""Raw probabilities are kept this far from 0 and 1, so that log-odds stay finite."""


def logit(probability: NDArray[np.floating]) -> Floats:
    """Return the log-odds of probabilities."""
    p = np.clip(np.asarray(probability, dtype=np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float64)


def expit(log_odds: NDArray[np.floating]) -> Floats:
    """Return the probabilities of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(log_odds, dtype=np.float64))), dtype=np.float64)


@dataclass(frozen=True)
class Calibration:
    """The map's slope (positive, so that order is kept) and intercept; the default leaves scores as they are.

    ``floor`` is the least confidence of a record's best candidate, see :meth:`lift`.
    """

    slope: float = 1.0
    intercept: float = 0.0
    floor: float = 0.0

    @classmethod
    def fit(cls, probability: NDArray[np.floating], right: NDArray[np.bool_]) -> Calibration:
        """Fit the map.

        :param probability: raw probabilities, 0 to 1, shape (n,).
        :param right: whether each was a match, shape (n,). With one class only, nothing can be
            learnt and the map leaves scores as they are.
        """
        positives, negatives = int(right.sum()), int((~right).sum())
        if not positives or not negatives:
            return cls()
        x = logit(probability)
        target = np.where(right, (positives + 1) / (positives + 2), 1 / (negatives + 2))

        def loss(parameters: Floats) -> tuple[float, Floats]:
            slope = np.exp(parameters[0])
            z = slope * x + parameters[1]
            value = np.logaddexp(0, z) - target * z
            gap = expit(z) - target
            return float(value.mean()), np.array([(gap * x * slope).mean(), gap.mean()])

        from scipy.optimize import minimize  # noqa: PLC0415 - takes long, and only training needs it

        found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-4, 4), (-20, 20)])
        return cls(float(np.exp(found.x[0])), float(found.x[1]))

    def lift(self, confidence: NDArray[np.float64]) -> Floats:
        """Raise the confidence of best candidates to what is believed of them at least; order is kept.

        :param confidence: calibrated, 0 to 1.
        :returns: ``floor + (1 - floor) * confidence``.
        """
        return np.asarray(self.floor + (1 - self.floor) * confidence, dtype=np.float64)

    def apply(self, probability: NDArray[np.floating]) -> Floats:
        """Return calibrated probabilities, 0 to 1, in the same order as the raw ones."""
        return expit(self.slope * logit(probability) + self.intercept)
