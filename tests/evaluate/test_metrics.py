from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entity_matching.errors import InputError, SettingsError
from entity_matching.evaluate import evaluate_matches

Make = Callable[..., pa.Table]
Small = tuple[pa.Table, pa.Table]
CANDIDATES = pa.list_(pa.struct([("entity_id", pa.string()), ("confidence", pa.float64())]))


def simulate(records: int, seed: int) -> Small:
    """A matcher whose confidence is what it says, on records of which some have no counterpart."""
    generator = np.random.default_rng(seed)
    confidence = generator.beta(0.5, 0.3, size=records)
    right = generator.random(records) < confidence
    truth = [
        "A" if hit else ("B" if other else "")
        for hit, other in zip(right, generator.random(records) < 0.6, strict=True)
    ]
    decision = np.where(confidence > 0.9, "match", np.where(confidence > 0.3, "review", "no_match"))
    keys = [str(row) for row in range(records)]
    result = pa.table(
        {
            "source_key": keys,
            "decision": pa.array(decision.tolist()),
            "entity_id": pa.array([None if each == "no_match" else "A" for each in decision], pa.string()),
            "confidence": confidence,
            "method": ["scored"] * records,
            "reason": [""] * records,
            "candidates": pa.array([[{"entity_id": "A", "confidence": each}] for each in confidence], CANDIDATES),
        }
    )
    return result, pa.table({"source_key": keys, "reference_key": truth})


def test_a_small_case_by_hand(small: Small) -> None:
    found = evaluate_matches(*small, draws=50)
    assert (found.records, found.with_counterpart) == (8, 6)
    assert (found.precision.value, found.recall.value, found.f1.value) == pytest.approx((0.5, 2 / 6, 0.4))
    assert found.recall_at_precision[0.98].value == pytest.approx(2 / 6)
    assert [each.value for each in found.candidate_recall.values()] == pytest.approx([4 / 6, 5 / 6, 5 / 6, 5 / 6])
    assert found.review.value == 1 / 8
    # of the seven with a candidate: 0.9-1: |2 - 2.84|, 0.8: 0.85, 0.6: 0.4, 0.1: 0.9, 0: 0.05
    assert found.ece.value == pytest.approx((0.84 + 0.85 + 0.4 + 0.9 + 0.05) / 7)
    squares = 0.01**2 + 0.05**2 + 0.9**2 + 0.85**2 + 0.4**2 + 0.9**2 + 0.05**2
    assert found.brier.value == pytest.approx(squares / 7)
    assert (found.match_threshold, found.review_threshold) == (0.85, 0.60)


def test_the_target_precision_gets_its_own_recall(small: Small) -> None:
    found = evaluate_matches(*small, target_precision=0.6, draws=0)
    assert sorted(found.recall_at_precision) == [0.6, 0.98, 0.99]
    assert found.recall_at_precision[0.6].value == pytest.approx(4 / 6)


def test_a_calibrated_matcher_is_found_calibrated() -> None:
    found = evaluate_matches(*simulate(20_000, seed=5), draws=20)
    assert found.ece.value is not None and found.ece.value < 0.015
    assert found.ece_equal_mass.value is not None and found.ece_equal_mass.value < 0.015
    assert found.bands[0].precision == pytest.approx(found.bands[0].confidence, abs=0.01)


def test_the_interval_of_a_small_calibration_error_holds_it() -> None:
    # chance alone makes every draw worse calibrated than the sample itself
    ece = evaluate_matches(*simulate(5_000, seed=8), draws=200).ece
    assert ece.value is not None and ece.low is not None and ece.high is not None
    assert 0 <= ece.low < ece.value < ece.high < 0.03


def test_intervals_hold_what_a_larger_sample_shows() -> None:
    truth = evaluate_matches(*simulate(40_000, seed=1), draws=0)
    inside = 0
    for seed in range(20):
        sample = evaluate_matches(*simulate(400, seed=100 + seed), draws=200).f1
        assert sample.low is not None and sample.high is not None and truth.f1.value is not None
        inside += sample.low <= truth.f1.value <= sample.high
    assert inside >= 16  # 19 are expected; fewer than 16 in 1 of 400 such tests


def test_the_same_seed_gives_the_same_figures(small: Small) -> None:
    one, same, other = (evaluate_matches(*small, seed=seed, draws=100).to_dict() for seed in (3, 3, 4))
    assert one == same
    assert one["f1"] != other["f1"]


def test_without_a_counterpart_recall_is_undefined(make_result: Make, make_labels: Make) -> None:
    result = make_result(("a", "match", 0.9, ["A"]), ("b", "no_match", 0.2, ["B"]))
    found = evaluate_matches(result, make_labels(a="", b=""), draws=50)
    assert found.precision.value == 0.0
    undefined = [found.recall, found.f1, found.best_f1, *found.recall_at_precision.values()]
    assert [each.value for each in [*undefined, *found.candidate_recall.values()]] == [None] * 9
    assert found.best is None
    assert found.ece.value == pytest.approx((0.9 + 0.2) / 2)


def test_without_a_candidate_calibration_is_undefined(make_result: Make, make_labels: Make) -> None:
    found = evaluate_matches(make_result(("a", "no_match", 0.0, [])), make_labels(a="A"), draws=50)
    assert (found.ece.value, found.ece_equal_mass.value, found.brier.value) == (None, None, None)
    assert found.precision.value is None
    assert found.recall.value == 0.0
    assert found.recall_at_precision[0.98].value == 0.0


def test_the_figures_are_plain_json_without_nan(small: Small, make_result: Make, make_labels: Make) -> None:
    bare = (make_result(("a", "no_match", 0.0, [])), make_labels(a=""))
    for case in (small, bare):
        found = evaluate_matches(*case, draws=20, columns={"country": ["DE"] * case[0].num_rows})
        text = json.dumps(found.to_dict(), allow_nan=False)
        assert json.loads(text)["records"] == case[0].num_rows


def test_slices_by_method_column_and_what_was_seen(small: Small) -> None:
    countries = ["DE", "DE", "FR", None, "FR", "FR", "FR", "DE"]
    found = evaluate_matches(*small, draws=0, columns={"country": countries}, seen={"A", "C"})
    assert [(each.value, each.records) for each in found.slices["country"]] == [("FR", 4), ("DE", 3), ("(empty)", 1)]
    assert {each.value: each.records for each in found.slices["entity"]} == {
        "not seen": 4,
        "seen in training": 2,
        "no counterpart": 2,
    }
    assert {each.value for each in found.slices["method"]} == {"scored", "none"}


def test_slices_follow_the_rows_of_the_result(small: Small, make_labels: Make) -> None:
    countries = [f"C{row}" for row in range(8)]
    found = evaluate_matches(small[0], make_labels(c="C", g="G"), draws=0, columns={"country": countries})
    assert [each.value for each in found.slices["country"]] == ["C2", "C6"]


def test_a_slice_of_another_length_is_refused(small: Small) -> None:
    with pytest.raises(InputError, match="column 'country'.*3 values for 8 records"):
        evaluate_matches(*small, columns={"country": ["DE"] * 3})


@pytest.mark.parametrize("precision", [0.0, 1.1, float("nan")])
def test_a_precision_out_of_range_is_refused(small: Small, precision: float) -> None:
    with pytest.raises(SettingsError, match="target precision"):
        evaluate_matches(*small, target_precision=precision)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["match", "review", "no_match"]),
        st.floats(0, 1),
        st.lists(st.sampled_from(["A", "B", "C", "D", "E", "F", "G"]), min_size=1, max_size=7, unique=True),
        st.sampled_from(["", "A", "B"]),
    ),
    min_size=1,
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_figures_keep_their_order(rows: list[tuple[str, float, list[str], str]]) -> None:
    result = pa.table(
        {
            "source_key": [str(row) for row in range(len(rows))],
            "decision": [row[0] for row in rows],
            "entity_id": pa.array([None if row[0] == "no_match" else row[2][0] for row in rows], pa.string()),
            "confidence": [row[1] for row in rows],
            "method": ["scored"] * len(rows),
            "candidates": pa.array(
                [[{"entity_id": key, "confidence": 0.5} for key in row[2]] for row in rows], CANDIDATES
            ),
        }
    )
    labels = pa.table({"source_key": result["source_key"], "reference_key": [row[3] for row in rows]})
    found = evaluate_matches(result, labels, draws=0)
    recalls = [each.value for each in found.candidate_recall.values()]
    if found.with_counterpart:
        assert recalls == sorted(recalls, key=float)  # type: ignore[arg-type]
        assert found.best_f1.value is not None and found.f1.value is not None
    else:
        assert recalls == [None] * 4
    values = (found.precision.value, found.recall.value, found.f1.value)
    if None not in values:
        precision, recall, f1 = (float(value or 0) for value in values)
        assert min(precision, recall) - 1e-12 <= f1 <= max(precision, recall) + 1e-12
    assert sum(band.records for band in found.bands) == found.records
    assert sum(each.records for each in found.slices["method"]) == found.records
