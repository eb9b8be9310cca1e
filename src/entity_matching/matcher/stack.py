"""A blend of two scorers where pairs are too few for trees: a weighted sum of log-odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from entity_matching.matcher.calibrate import expit

Floats = NDArray[np.float64]
PULL = 0.1
"""How strongly the weights are drawn to :data:`START`, so that a dozen matches do not decide between the scorers."""
START = 0.3
"""Where the weights start from: log-odds of pairs that were trained on are about three times too sure."""


@dataclass(frozen=True)
class Stack:
    """Logistic regression on the scorers' log-odds, with weights of at least 0: neither can speak against itself."""

    features: float
    ditto: float
    intercept: float

    @classmethod
    def fit(cls, features: Floats, ditto: Floats, matches: NDArray[np.bool_]) -> Stack:
        """Fit on pairs that neither scorer was trained on.

        :param features: log-odds by the feature scorer, shape (pairs,); ``ditto``: by Ditto.
        """

        def loss(weights: Floats) -> tuple[float, Floats]:
            z = weights[0] * features + weights[1] * ditto + weights[2]
            gap = expit(z) - matches
            pull = PULL * ((weights[:2] - START) ** 2).sum()
            value = float(np.logaddexp(0, np.where(matches, -z, z)).mean() + pull)
            slope = np.array([(gap * features).mean(), (gap * ditto).mean(), gap.mean()])
            slope[:2] += 2 * PULL * (weights[:2] - START)
            return value, slope

        bounds = [(0, None), (0, None), (None, None)]
        found = minimize(loss, np.array([START, START, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
        return cls(*(float(weight) for weight in found.x))

    def apply(self, features: Floats, ditto: Floats) -> Floats:
        """Return the blended probability of each pair, 0 to 1."""
        return expit(self.features * features + self.ditto * ditto + self.intercept)
