from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.evaluate.curve import Curve
from entity_matching.evaluate.outcomes import Outcomes, join_outcomes

Make = Callable[..., pa.Table]


def outcomes_of(rows: list[tuple[float, str, str]]) -> Outcomes:
    """Outcomes from confidence, best candidate and right record."""
    texts = [np.array([row[place] for row in rows], dtype=object) for place in (1, 2)]
    nothing = np.array([""] * len(rows), dtype=object)
    return Outcomes(
        row=np.arange(len(rows)),
        source_key=nothing,
        best=texts[0],
        true=texts[1],
        confidence=np.array([row[0] for row in rows], dtype=np.float64),
        decision=nothing,
        method=nothing,
        rank=np.zeros(len(rows), dtype=np.int64),
    )


RECORDS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.sampled_from(["", "A", "B"]), st.sampled_from(["", "A"])),
    min_size=1,
    max_size=30,
)


def test_the_points_of_a_small_case(small: tuple[pa.Table, pa.Table]) -> None:
    curve = Curve.of(join_outcomes(*small))
    assert curve is not None
    assert curve.threshold.tolist() == [0.99, 0.95, 0.90, 0.85, 0.60, 0.10, 0.05]
    assert curve.precision == pytest.approx([1, 1, 2 / 3, 1 / 2, 3 / 5, 4 / 6, 4 / 7])
    assert curve.recall == pytest.approx([1 / 6, 2 / 6, 2 / 6, 2 / 6, 3 / 6, 4 / 6, 4 / 6])
    assert curve.accepted == pytest.approx([1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8])


def test_the_best_point_and_the_recall_at_a_precision(small: tuple[pa.Table, pa.Table]) -> None:
    curve = Curve.of(join_outcomes(*small))
    assert curve is not None
    assert curve.best().threshold == 0.10
    assert curve.best().f1 == pytest.approx(2 / 3)
    assert curve.recall_at(0.98) == pytest.approx(2 / 6)
    assert curve.recall_at(0.66) == pytest.approx(4 / 6)


def test_equal_confidences_stand_or_fall_together() -> None:
    curve = Curve.of(outcomes_of([(0.9, "A", "A"), (0.9, "B", "A")]))
    assert curve is not None
    assert curve.precision.tolist() == [0.5]
    assert curve.recall_at(0.98) == 0.0


def test_a_precision_met_exactly_is_met() -> None:
    curve = Curve.of(outcomes_of([(0.9, "A", "A")] * 49 + [(0.9, "B", "A")]))
    assert curve is not None
    assert curve.recall_at(0.98) == pytest.approx(0.98)


def test_none_right_gives_zeros_not_a_perfect_recall() -> None:
    curve = Curve.of(outcomes_of([(0.9, "B", "A"), (0.4, "B", "A")]))
    assert curve is not None
    assert curve.recall.tolist() == curve.precision.tolist() == [0.0, 0.0]


def test_without_a_counterpart_there_is_no_curve() -> None:
    assert Curve.of(outcomes_of([(0.9, "A", ""), (0.2, "B", "")])) is None


def test_without_a_candidate_there_is_no_curve() -> None:
    assert Curve.of(outcomes_of([(0.0, "", "A")])) is None


@given(RECORDS)
def test_recall_never_falls_as_the_threshold_does(rows: list[tuple[float, str, str]]) -> None:
    curve = Curve.of(outcomes_of(rows))
    if curve is not None:
        assert (np.diff(curve.threshold) < 0).all()
        assert (np.diff(curve.recall) >= -1e-12).all()
        assert (np.diff(curve.accepted) > 0).all()


@given(RECORDS)
def test_f1_lies_between_precision_and_recall(rows: list[tuple[float, str, str]]) -> None:
    curve = Curve.of(outcomes_of(rows))
    if curve is not None:
        assert (curve.f1 >= np.minimum(curve.precision, curve.recall) - 1e-12).all()
        assert (curve.f1 <= np.maximum(curve.precision, curve.recall) + 1e-12).all()


@given(RECORDS, st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_more_precision_is_never_more_recall(rows: list[tuple[float, str, str]], one: float, other: float) -> None:
    curve = Curve.of(outcomes_of(rows))
    if curve is not None:
        assert curve.recall_at(max(one, other)) <= curve.recall_at(min(one, other))
