"""Intervals: what the figures might have been on another sample of records of the same kind.

The percentile bootstrap (Efron 1979): source records are drawn with replacement, and each figure is
computed from the draw. A draw is held as a row of counts, so that a figure is a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from entity_matching.evaluate.outcomes import Booleans, Floats, Integers

CELLS = 4_000_000
"""Counts held at once; more draws than fit are made in parts, with the same outcome."""

Measure = Callable[[Floats], Floats]
"""From draws, shape (draws, records), to a figure of each, shape (draws,); NaN where it is undefined."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval; ``None`` where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """Return the values by name."""
        return asdict(self)


def estimate(
    values: Mapping[str, float | None],
    measures: Mapping[str, Measure],
    records: int,
    *,
    draws: int,
    seed: int,
    centred: Collection[str] = (),
) -> dict[str, Estimate]:
    """Put an interval to each figure.

    :param values: the figures on the records as they are; ``None`` for an undefined one.
    :param measures: how to compute each figure on draws; a figure without a measure gets no interval.
    :param records: number of records.
    :param draws: number of draws; 0 for no intervals.
    :param seed: of the draws.
    :param centred: figures that are greater on a draw than on the sample it comes from, as a calibration
        error is (chance is error to it); their intervals are moved by the mean difference.
    """
    wanted = {name: measure for name, measure in measures.items() if values.get(name) is not None}
    found: dict[str, list[Floats]] = {name: [] for name in wanted}
    for counts in _draws(records, draws, np.random.default_rng(seed)):
        for name, measure in wanted.items():
            found[name].append(measure(counts))
    return {name: _with_interval(value, found.get(name, []), centred=name in centred) for name, value in values.items()}


def share(part: Booleans, whole: Booleans) -> Measure:
    """Return the measure of ``part``'s records among ``whole``'s (``part`` is within ``whole``)."""
    return ratio(part.astype(np.float64), whole.astype(np.float64))


def ratio(above: Floats, below: Floats) -> Measure:
    """Return the measure of the sum of ``above`` over that of ``below``, arrays of shape (records,)."""

    def measure(counts: Floats) -> Floats:
        return _divide(counts @ above, counts @ below)

    return measure


def recall_at(
    precision: float, confidence: Floats, right: Booleans, has_truth: Booleans, asserted: Booleans
) -> Measure:
    """Return the measure of the highest recall at a precision of at least ``precision``."""
    order = np.flatnonzero(asserted)[np.argsort(-confidence[asserted], kind="stable")]
    ordered, hits = confidence[order], right[order].astype(np.float64)
    ends = np.append(np.diff(ordered) < 0, True)[: len(order)]  # only between different confidences is there a choice

    def measure(counts: Floats) -> Floats:
        drawn = counts[:, order]
        accepted, correct = np.cumsum(drawn, axis=1)[:, ends], np.cumsum(drawn * hits, axis=1)[:, ends]
        reached = np.where(correct >= precision * accepted - 1e-9, correct, 0.0)
        return _divide(reached.max(axis=1, initial=0.0), counts @ has_truth.astype(np.float64))

    return measure


def calibration(confidence: Floats, right: Booleans, assigned: Integers, asserted: Booleans) -> Measure:
    """Return the measure of the expected calibration error, in bins that stay as they are."""
    bins = np.zeros((len(confidence), int(assigned.max(initial=0)) + 1))
    bins[np.flatnonzero(asserted), assigned[asserted]] = 1.0
    gap = bins * (right - confidence)[:, None]

    def measure(counts: Floats) -> Floats:
        # n_b * |right_b - confidence_b| is the absolute sum of the differences within the bin
        return _divide(np.abs(counts @ gap).sum(axis=1), counts @ asserted.astype(np.float64))

    return measure


def _draws(records: int, draws: int, generator: np.random.Generator) -> Iterator[Floats]:
    if not records:
        return
    at_once = max(1, CELLS // records)
    for start in range(0, draws, at_once):
        rows = min(at_once, draws - start)
        drawn = generator.integers(0, records, size=(rows, records))
        drawn += np.arange(rows)[:, None] * records
        yield np.bincount(drawn.ravel(), minlength=rows * records).reshape(rows, records).astype(np.float64)


def _divide(above: Floats, below: Floats) -> Floats:
    undefined = np.full(len(above), np.nan)
    return np.asarray(np.divide(above, below, out=undefined, where=below > 0), dtype=np.float64)


def _with_interval(value: float | None, parts: list[Floats], *, centred: bool) -> Estimate:
    figures = np.concatenate(parts) if parts else np.zeros(0)
    figures = figures[~np.isnan(figures)]
    if value is None or not len(figures):
        return Estimate(value)
    low, high = (float(each) for each in np.quantile(figures, [0.025, 0.975]))
    if centred:
        moved = value - float(figures.mean())
        low, high = max(0.0, low + moved), max(0.0, high + moved)
    return Estimate(value, low, high)
