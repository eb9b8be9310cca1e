"""Calibration: whether, of the candidates given 90%, nine in ten are right."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from entity_matching.evaluate.outcomes import Booleans, Floats, Integers

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Records of similar confidence.

    ``low`` and ``high``: the least and greatest confidence the bin is for. ``records``: how many are in it.
    ``confidence``: their mean confidence. ``right``: the share whose best candidate is right. All but
    the count are 0 to 1.
    """

    low: float
    high: float
    records: int
    confidence: float
    right: float

    def to_dict(self) -> dict[str, float]:
        """Return the values by name."""
        return asdict(self)


def equal_width(confidence: Floats, bins: int = BINS) -> Integers:
    """Return each record's bin, 0 to ``bins - 1``: bins of equal width, [0, 0.1), [0.1, 0.2) and so on to 1."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def equal_mass(confidence: Floats, bins: int = BINS) -> Integers:
    """Return each record's bin: bins of as equal a number of records as equal confidences allow.

    Records of the same confidence are in the same bin, so there may be fewer bins than asked for.
    """
    if not len(confidence):
        return np.zeros(0, dtype=np.int64)
    last = -(-np.arange(1, bins) * len(confidence) // bins) - 1  # place of each bin's last record, rounded up
    edges = np.unique(np.sort(confidence)[last])
    return np.searchsorted(edges, confidence, side="left").astype(np.int64)


def reliability(confidence: Floats, right: Booleans, assigned: Integers) -> tuple[Bin, ...]:
    """Return the bins that hold a record, by rising confidence.

    :param confidence: 0 to 1, shape (records,).
    :param right: whether each best candidate is right, shape (records,).
    :param assigned: each record's bin, as :func:`equal_width` or :func:`equal_mass` gives it.
    """
    found = []
    for number in np.unique(assigned):
        inside = assigned == number
        values = confidence[inside]
        found.append(
            Bin(
                low=float(values.min()),
                high=float(values.max()),
                records=int(inside.sum()),
                confidence=float(values.mean()),
                right=float(right[inside].mean()),
            )
        )
    return tuple(found)


def calibration_error(bins: tuple[Bin, ...]) -> float | None:
    """Return the expected calibration error: ``sum over bins of (n_b / n) * |right_b - confidence_b|``.

    ``n_b`` is a bin's number of records, ``right_b`` its share of right ones, ``confidence_b`` its mean
    confidence (Naeini, Cooper and Hauskrecht, AAAI 2015).

    :return: 0 to 1, lower is better; ``None`` without a record.
    """
    records = sum(each.records for each in bins)
    if not records:
        return None
    return sum(each.records * abs(each.right - each.confidence) for each in bins) / records


def brier_score(confidence: Floats, right: Booleans) -> float | None:
    """Return the mean squared distance of confidence and outcome (Brier 1950).

    :return: 0 to 1, lower is better; ``None`` without a record.
    """
    if not len(confidence):
        return None
    from sklearn.metrics import brier_score_loss  # noqa: PLC0415 - heavy

    return float(brier_score_loss(right, confidence))
