"""Drift against what a model was trained on."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.jobs.drift import (
    Drift,
    compare_confidence,
    compare_records,
    confidence_counts,
    make_profile,
    stability,
)
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.from_yaml(
    """
attributes:
  name: {kind: name}
  country: {kind: category, type: country}
  lei: {kind: identifier, type: own}
  employees: {kind: number}
  founded: {kind: date}
"""
)


def _records(rows: int, seed: int = 0, **fixed: str | None) -> pa.Table:
    rng = np.random.default_rng(seed)
    columns = {
        "name": ["x" * int(length) for length in rng.integers(3, 40, rows)],
        "country": rng.choice(["DE", "FR", "IT"], rows, p=[0.6, 0.3, 0.1]).tolist(),
        "lei": ["A" * int(length) for length in rng.integers(5, 9, rows)],
        "employees": [str(number) for number in rng.integers(1, 5_000, rows)],
        "founded": [f"{year}-05-01" for year in rng.integers(1900, 2020, rows)],
    }
    columns |= {name: [value] * rows for name, value in fixed.items()}
    return normalize_table(pa.table(columns), SCHEMA, Side.SOURCE)


def test_the_index_is_the_sum_over_the_bins() -> None:
    # 0.2 ln(0.7/0.5) - 0.2 ln(0.3/0.5), with so many records that the half record added does not show
    found = stability(np.array([500_000, 500_000]), np.array([700_000, 300_000]))
    assert found.psi == pytest.approx(0.2 * np.log(0.7 / 0.5) - 0.2 * np.log(0.3 / 0.5), abs=1e-5)


def test_the_same_distribution_has_no_drift() -> None:
    counts = np.array([10, 20, 0, 70])
    assert stability(counts, counts * 3).psi == pytest.approx(0, abs=0.02)


def test_few_records_alarm_nobody() -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(200):
        drift = stability(rng.multinomial(2_000, [0.1] * 10), rng.multinomial(20, [0.1] * 10))
        alarms += drift.exceeds(0.25)
    assert alarms <= 10
    assert Drift(psi=0.5, by_chance=0.6).exceeds(0.25) is False


def test_records_like_those_trained_on_do_not_drift() -> None:
    profile = json.loads(json.dumps(make_profile(_records(3_000), SCHEMA, np.zeros(0))))
    found = compare_records(profile, _records(2_000, seed=5), SCHEMA)
    assert list(found) == ["name", "country", "lei", "employees", "founded"]
    assert all(drift.psi < 0.02 and not drift.exceeds(0.25) for drift in found.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "x" * 90),
        ("name", None),
        ("country", "JP"),
        ("country", ""),
        ("lei", None),
        ("employees", "100000"),
        ("employees", None),
        ("founded", "2030-01-01"),
        ("founded", None),
    ],
)
def test_the_attribute_that_changed_drifts_and_no_other(name: str, value: str | None) -> None:
    profile = make_profile(_records(3_000), SCHEMA, np.zeros(0))
    found = compare_records(profile, _records(500, 2, **{name: value}), SCHEMA)
    assert [attribute for attribute, drift in found.items() if drift.exceeds(0.25)] == [name]


def test_a_column_that_no_longer_comes_drifts() -> None:
    profile = make_profile(_records(1_000), SCHEMA, np.zeros(0))
    records = _records(1_000, 3)
    left = records.select([column for column in records.column_names if not column.startswith("country.")])
    assert compare_records(profile, left, SCHEMA)["country"].exceeds(0.25)


def test_an_attribute_that_was_never_there_is_not_compared() -> None:
    records = _records(100)
    known = records.select([column for column in records.column_names if not column.startswith("lei.")])
    assert "lei" not in compare_records(make_profile(known, SCHEMA, np.zeros(0)), records, SCHEMA)
    assert compare_records(make_profile(records, SCHEMA, np.zeros(0)), records.slice(0, 0), SCHEMA) == {}


def test_bins_of_the_confidence() -> None:
    counts = confidence_counts(np.array([0.0, 0.049, 0.05, 0.15, 0.3, 0.999, 1.0]))
    assert {place: int(count) for place, count in enumerate(counts) if count} == {0: 2, 1: 1, 3: 1, 6: 1, 19: 2}


def test_drift_of_the_confidence() -> None:
    rng = np.random.default_rng(0)
    profile = make_profile(_records(10), SCHEMA, rng.beta(8, 1, 2_000))
    same, other = (
        compare_confidence(profile, confidence_counts(rng.beta(*shape, 2_000))) for shape in ((8, 1), (1, 2))
    )
    assert same is not None and not same.exceeds(0.25)
    assert other is not None and other.exceeds(0.25)
    assert compare_confidence(profile, confidence_counts(np.zeros(0))) is None
    assert compare_confidence(make_profile(_records(10), SCHEMA, np.zeros(0)), confidence_counts(np.ones(5))) is None
