from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from entity_matching.evaluate.decisions import band_of, count_decisions, rates
from entity_matching.evaluate.outcomes import join_outcomes

Make = Callable[..., pa.Table]
Small = tuple[pa.Table, pa.Table]


def test_precision_recall_and_f1_of_a_small_case(small: Small) -> None:
    # 4 accepted, 2 of them right; 6 records have a counterpart
    assert rates(join_outcomes(*small)) == pytest.approx((0.5, 2 / 6, 0.4))


def test_accepting_what_has_no_counterpart_costs_precision(make_result: Make, make_labels: Make) -> None:
    result = make_result(("a", "match", 0.9, ["A"]), ("b", "match", 0.9, ["B"]))
    assert rates(join_outcomes(result, make_labels(a="A", b=""))) == pytest.approx((0.5, 1.0, 2 / 3))


def test_nothing_accepted_has_no_precision_but_a_recall_of_0(make_result: Make, make_labels: Make) -> None:
    result = make_result(("a", "no_match", 0.1, ["A"]))
    assert rates(join_outcomes(result, make_labels(a="A"))) == (None, 0.0, 0.0)


def test_no_counterpart_at_all_has_no_recall(make_result: Make, make_labels: Make) -> None:
    result = make_result(("a", "match", 0.9, ["A"]))
    assert rates(join_outcomes(result, make_labels(a=""))) == (0.0, None, None)


def test_every_record_is_counted_once(small: Small) -> None:
    counts = count_decisions(join_outcomes(*small))
    assert counts == {
        "match": 4,
        "match_right": 2,
        "match_wrong_record": 1,
        "match_no_counterpart": 1,
        "review": 1,
        "no_match": 3,
        "no_match_right": 1,
        "no_match_missed": 2,
    }


def test_a_band_is_true_when_it_says_what_is(small: Small) -> None:
    outcomes = join_outcomes(*small)
    match, review, none = (band_of(outcomes, decision) for decision in ("match", "review", "no_match"))
    assert (match.precision, review.precision) == (0.5, 1.0)
    assert none.precision == none.absent == pytest.approx(1 / 3)
    assert none.right == pytest.approx(1 / 3)
    assert match.share + review.share + none.share == pytest.approx(1)


def test_a_band_without_records_says_nothing(make_result: Make, make_labels: Make) -> None:
    band = band_of(join_outcomes(make_result(("a", "match", 0.9, ["A"])), make_labels(a="A")), "review")
    assert (band.records, band.precision, band.confidence) == (0, None, None)
