"""Drift: how far the records of a run are from those a model was trained on, by the population stability index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import chdtri

from entity_matching.records import part
from entity_matching.schema import Attribute, Kind, Schema

PROFILE = "profile.json"
"""File beside a model that holds the profile of what it was trained on."""
CONFIDENCE_BINS = 20
"""Bins of the confidence, each 0.05 wide."""
QUANTILES = 10
"""Bins of a length, a number or a date: deciles of what the model was trained on."""
TOP_VALUES = 20
"""Values of a category that have a bin of their own; the others share one."""
CHANCE = 0.99
"""Share of comparisons without any drift whose index stays below :attr:`Drift.by_chance`."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Drift:
    """One comparison. ``psi``: the index, 0 or more, 0: the same distribution; above 0.25 is called a major shift.

    ``by_chance``: what chance alone exceeds once in a hundred times with so few records.
    """

    psi: float
    by_chance: float

    def exceeds(self, threshold: float) -> bool:
        """Say whether the index is above a threshold and more than chance explains."""
        return self.psi > max(threshold, self.by_chance)


@dataclass(frozen=True)
class Bins:
    """The bins of one attribute: the first is for records without a value.

    Then come one bin per value of ``values`` and one for all others; or, with ``edges``, one bin below the first
    edge, one from each edge to the next, and one from the last edge up.
    """

    values: tuple[str, ...] | None = None
    edges: tuple[float, ...] | None = None

    @classmethod
    def of(cls, attribute: Attribute, column: pa.Array) -> Bins:
        """Choose the bins by a column of the normalised table."""
        if attribute.kind is Kind.CATEGORY:
            given = column.filter(pc.not_equal(column, ""))
            counted = sorted(given.value_counts().to_pylist(), key=lambda row: (-row["counts"], row["values"]))
            return cls(values=tuple(str(row["values"]) for row in counted[:TOP_VALUES]))
        numbers = _numbers(attribute, column)
        numbers = numbers[~np.isnan(numbers)]
        cuts = np.linspace(0, 1, QUANTILES + 1)[1:-1]
        edges = np.unique(np.quantile(numbers, cuts, method="lower")) if len(numbers) else np.zeros(0)
        return cls(edges=tuple(float(edge) for edge in edges))

    @property
    def size(self) -> int:
        """Number of bins."""
        return 2 + len(self.values if self.values is not None else self.edges or ())

    def count(self, attribute: Attribute, column: pa.Array | None, records: int) -> Counts:
        """Count the records in each bin; without a column no record has a value."""
        if column is None:
            return np.array([records] + [0] * (self.size - 1), dtype=np.int64)
        if self.values is not None:
            place = pc.fill_null(pc.index_in(column, value_set=pa.array(self.values, pa.string())), len(self.values))
            bins = 1 + place.to_numpy(zero_copy_only=False).astype(np.int64)
            bins[pc.equal(column, "").to_numpy(zero_copy_only=False)] = 0
        else:
            numbers = _numbers(attribute, column)
            bins = 1 + np.searchsorted(np.array(self.edges or (), dtype=np.float64), numbers, side="right")
            bins[np.isnan(numbers)] = 0
        return np.bincount(bins, minlength=self.size)


def stability(expected: Counts, actual: Counts) -> Drift:
    """Return the population stability index of two samples counted in the same bins.

    ``sum over bins of (a - e) * ln(a / e)``, of the shares ``e`` expected and ``a`` found (Siddiqi, Credit Risk
    Scorecards, Wiley 2006); half a record is added to each bin, so that an empty one does not make it infinite. Without
    drift it is distributed as ``(1/n + 1/m)`` times chi-squared with ``bins - 1`` degrees of freedom (Yurdakul,
    Statistical Properties of Population Stability Index, Western Michigan University 2018).
    """
    used = (expected + actual) > 0
    e, a = expected[used] + 0.5, actual[used] + 0.5
    e, a = e / e.sum(), a / a.sum()
    psi = float(((a - e) * np.log(a / e)).sum()) if len(e) else 0.0
    n, m = max(1, int(expected.sum())), max(1, int(actual.sum()))
    freedom = max(1, int(used.sum()) - 1)
    return Drift(psi, float((1 / n + 1 / m) * chdtri(freedom, 1 - CHANCE)))


def confidence_counts(confidence: Floats) -> Counts:
    """Count confidences, 0 to 1, in bins of 0.05: [0, 0.05), [0.05, 0.1) and so on to 1."""
    # a confidence such as 0.15 must not fall below its own edge by the rounding of a product
    bins = np.minimum(np.floor(confidence * CONFIDENCE_BINS + 1e-9).astype(np.int64), CONFIDENCE_BINS - 1)
    return np.bincount(bins, minlength=CONFIDENCE_BINS)


def make_profile(records: pa.Table, schema: Schema, confidence: Floats) -> dict[str, Any]:
    """Write down what a model was trained on.

    :param records: the normalised source table.
    :param confidence: of records whose entity it had not seen, 0 to 1; may be empty.
    :returns: values ready for JSON, which :func:`compare` reads.
    """
    attributes = {}
    for attribute in schema.attributes:
        column = _column(records, attribute)
        if column is not None:
            bins = Bins.of(attribute, column)
            attributes[attribute.name] = {
                **{name: value for name, value in asdict(bins).items() if value is not None},
                "counts": bins.count(attribute, column, records.num_rows).tolist(),
            }
    return {
        "records": records.num_rows,
        "confidence": confidence_counts(confidence).tolist(),
        "attributes": attributes,
    }


def compare_records(profile: Mapping[str, Any], records: pa.Table, schema: Schema) -> dict[str, Drift]:
    """Compare records with a profile, by attribute.

    :param records: the normalised source table; an attribute that it lacks counts as empty everywhere.
    """
    found = {}
    for attribute in schema.attributes:
        known = profile["attributes"].get(attribute.name)
        if known is None or not profile["records"] or not records.num_rows:
            continue
        values, edges = known.get("values"), known.get("edges")
        bins = Bins(None if values is None else tuple(values), None if edges is None else tuple(edges))
        actual = bins.count(attribute, _column(records, attribute), records.num_rows)
        found[attribute.name] = stability(np.array(known["counts"], dtype=np.int64), actual)
    return found


def compare_confidence(profile: Mapping[str, Any], counts: Counts) -> Drift | None:
    """Compare confidences, counted by :func:`confidence_counts`, with a profile; ``None`` if there is nothing to."""
    expected = np.array(profile["confidence"], dtype=np.int64)
    return stability(expected, counts) if expected.sum() and counts.sum() else None


_PART = {Kind.NAME: "text", Kind.TEXT: "text"}


def _column(records: pa.Table, attribute: Attribute) -> pa.Array | None:
    name = part(attribute.name, _PART.get(attribute.kind, "value"))
    return records[name].combine_chunks() if name in records.column_names else None


def _numbers(attribute: Attribute, column: pa.Array) -> Floats:
    """Return what is binned by edges: a number, the days of a date, the length of a text; NaN without a value."""
    if attribute.kind is Kind.NUMBER:
        numbers = column
    elif attribute.kind is Kind.DATE:
        numbers = column.cast(pa.int32()).cast(pa.float64())
    else:
        lengths = pc.utf8_length(column).cast(pa.float64())
        numbers = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.float64()), lengths)
    return np.array(pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False), dtype=np.float64)
