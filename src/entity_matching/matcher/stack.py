"""A blend where pairs are too few for trees: two scorers' log-odds, weighted, less what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entity_matching.matcher.calibrate import expit

Floats = NDArray[np.float64]
HELD = 3.0
"""How strongly the weights are drawn to :data:`START`: a weight that is 1 away costs as much log-loss as this many
pairs, so that a dozen matches do not decide between the scorers, and thousands of pairs do."""
START = 0.3
"""Where the weights start from: log-odds of pairs that were trained on are about three times too sure."""
CERTAIN = 3.0
"""What a certain rival counts, in log-odds before its weight: as much as a scorer that is fairly sure."""


@dataclass(frozen=True)
class Stack:
    """Logistic regression with weights of at least 0: no scorer can speak against itself, no rival for a pair.

    ``features``, ``ditto``: weights of the scorers' log-odds; ``left``, ``right``: of the rivals that a pair has by
    its left and its right record.
    """

    features: float
    ditto: float
    left: float
    right: float
    intercept: float

    @classmethod
    def fit(cls, features: Floats, ditto: Floats, rivals: Floats, matches: NDArray[np.bool_]) -> Stack:
        """Fit on pairs that neither scorer was trained on.

        :param features: log-odds by the feature scorer, shape (pairs,); ``ditto``: by Ditto.
        :param rivals: chance, 0 to 1, of the best rival by the left and the right record, shape (pairs, 2).
        """
        evidence, pull = _evidence(features, ditto, rivals), HELD / len(matches)

        def loss(weights: Floats) -> tuple[float, Floats]:
            z = evidence @ weights[:-1] + weights[-1]
            gap = expit(z) - matches
            away = weights[:-1] - START
            value = float(np.logaddexp(0, np.where(matches, -z, z)).mean() + pull * (away**2).sum())
            return value, np.r_[evidence.T @ gap / len(z) + 2 * pull * away, gap.mean()]

        from scipy.optimize import minimize  # noqa: PLC0415 - takes long, and only training needs it

        first = np.array([START] * evidence.shape[1] + [0.0])
        bounds = [(0, None)] * evidence.shape[1] + [(None, None)]
        found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds)
        return cls(*(float(weight) for weight in found.x))

    def scaled(self, slope: float, intercept: float) -> Stack:
        """Return the blend whose log-odds are ``slope * log-odds + intercept`` of this one's."""
        return Stack(
            features=slope * self.features,
            ditto=slope * self.ditto,
            left=slope * self.left,
            right=slope * self.right,
            intercept=slope * self.intercept + intercept,
        )

    def apply(self, features: Floats, ditto: Floats, rivals: Floats) -> Floats:
        """Return the blended probability of each pair, 0 to 1."""
        weights = np.array([self.features, self.ditto, self.left, self.right])
        return expit(_evidence(features, ditto, rivals) @ weights + self.intercept)


def first_guess(features: Floats, ditto: Floats) -> Floats:
    """Return the probability of each pair, 0 to 1, before rivals are heard and weights are learnt."""
    return expit(START * (features + ditto))


def _evidence(features: Floats, ditto: Floats, rivals: Floats) -> Floats:
    return np.column_stack([features, ditto, -CERTAIN * rivals])
