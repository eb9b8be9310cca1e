from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from entity_matching.errors import InputError, LabelsError
from entity_matching.evaluate.outcomes import join_outcomes

Make = Callable[..., pa.Table]
Small = tuple[pa.Table, pa.Table]


def test_best_candidate_is_known_even_where_nothing_was_matched(small: Small) -> None:
    outcomes = join_outcomes(*small)
    assert outcomes.best.tolist() == ["A", "B", "X", "X", "E", "F", "X", ""]


def test_right_needs_the_right_record_and_a_counterpart(small: Small) -> None:
    outcomes = join_outcomes(*small)
    assert outcomes.right.tolist() == [True, True, False, False, True, True, False, False]
    assert outcomes.has_truth.tolist() == [True, True, True, False, True, True, True, False]
    assert outcomes.accepted.tolist() == [True] * 4 + [False] * 4


def test_rank_is_the_place_of_the_right_record_and_0_if_it_is_not_listed(small: Small) -> None:
    outcomes = join_outcomes(*small)
    assert outcomes.rank.tolist() == [1, 1, 2, 0, 1, 1, 0, 0]
    assert outcomes.listed == 3


def test_a_record_listed_twice_counts_where_it_stands_first(make_result: Make, make_labels: Make) -> None:
    result = make_result(("a", "match", 0.9, ["X", "A", "A"]))
    assert join_outcomes(result, make_labels(a="A")).rank.tolist() == [2]


def test_records_without_a_label_are_left_out_and_counted(small: Small, make_labels: Make) -> None:
    outcomes = join_outcomes(small[0], make_labels(h=None, b="B", elsewhere="Z"))
    assert outcomes.source_key.tolist() == ["b", "h"]
    assert outcomes.row.tolist() == [1, 7]
    assert (outcomes.unlabelled, outcomes.unknown) == (6, 1)


def test_the_order_of_the_labels_does_not_matter(small: Small) -> None:
    result, labels = small
    turned = join_outcomes(result, labels.take(list(range(labels.num_rows))[::-1]))
    assert turned.true.tolist() == join_outcomes(result, labels).true.tolist()


def test_an_exact_match_without_a_list_has_its_record_first(make_result: Make, make_labels: Make) -> None:
    result = make_result(("a", "match", 1.0, ["A"]), ("b", "review", 0.4, ["B"]))
    empty = pa.array([[], None], result.schema.field("candidates").type)
    outcomes = join_outcomes(result.set_column(6, "candidates", empty), make_labels(a="A", b="C"))
    assert outcomes.best.tolist() == ["A", "B"]
    assert outcomes.rank.tolist() == [1, 0]


def test_keys_may_be_numbers_and_tables_come_in_pieces(make_result: Make) -> None:
    result = make_result(("1", "match", 0.9, ["7"]), ("2", "match", 0.8, ["9"]))
    pieces = pa.concat_tables([result.slice(0, 1), result.slice(1, 1)])
    outcomes = join_outcomes(pieces, pa.table({"source_key": [2, 1], "reference_key": [8, 7]}))
    assert outcomes.right.tolist() == [True, False]


def test_a_result_of_a_slice_keeps_its_own_candidates(small: Small) -> None:
    result, labels = small
    outcomes = join_outcomes(result.slice(2, 3), labels)
    assert outcomes.best.tolist() == ["X", "X", "E"]
    assert outcomes.rank.tolist() == [2, 0, 1]


def test_a_missing_confidence_is_no_confidence(make_result: Make, make_labels: Make) -> None:
    result = make_result(("a", "no_match", 0.0, []))
    result = result.set_column(3, "confidence", pa.array([None], pa.float64()))
    assert join_outcomes(result, make_labels(a="A")).confidence.tolist() == [0.0]


def test_contradicting_labels_are_named(small: Small) -> None:
    labels = pa.table({"source_key": ["a", "b", "a"], "reference_key": ["A", "B", "C"]})
    with pytest.raises(LabelsError, match="'a' is labelled 'A' and 'C'"):
        join_outcomes(small[0], labels)


def test_the_same_label_twice_is_one_label(small: Small) -> None:
    labels = pa.table({"source_key": ["a", "a"], "reference_key": ["A", "A"]})
    assert len(join_outcomes(small[0], labels)) == 1


def test_labels_of_another_table_are_refused_with_examples(small: Small, make_labels: Make) -> None:
    with pytest.raises(LabelsError, match="none of the 1 labels .* look like 'a', the labels' like 'S1'"):
        join_outcomes(small[0], make_labels(S1="A"))


@pytest.mark.parametrize("column", ["decision", "candidates"])
def test_a_missing_column_is_named_with_those_there_are(small: Small, column: str) -> None:
    with pytest.raises(InputError, match=f"no column '{column}'.*source_key"):
        join_outcomes(small[0].drop_columns([column]), small[1])


def test_a_key_that_comes_twice_is_named(small: Small) -> None:
    with pytest.raises(InputError, match="'a' is there twice"):
        join_outcomes(pa.concat_tables([small[0], small[0].slice(0, 1)]), small[1])


def test_any_table_with_the_arrow_interface_will_do(small: Small) -> None:
    result, labels = small
    outcomes = join_outcomes(result, labels.to_pandas())
    assert outcomes.right.tolist() == join_outcomes(result, labels).right.tolist()
