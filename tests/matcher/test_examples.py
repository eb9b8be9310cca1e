"""What a scorer learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from entity_matching.config import ScorerSettings, SearchSettings
from entity_matching.features import Block, Feature, FeatureSpace, TextLimits
from entity_matching.matcher.examples import FEW, HIDDEN, Examples, counterfactual_examples, synthetic_examples
from entity_matching.matcher.reference import Reference
from entity_matching.noise import profile_source
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side
from entity_matching.search import Candidates

SCHEMA = Schema.model_validate({"key": {"source": "id"}, "attributes": {"name": "name", "city": "category"}})


def _ints(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def _examples() -> Examples:
    """Three records: the first found, the second not in the reference, the third not found by the search."""
    block = Block(5)
    block.add("a", np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 1, "a")
    block.add("b", np.array([10.0, 20.0, 30.0, 40.0, 50.0]), 0, "b")
    candidates = Candidates(np.array([0, 0, 1, 2, 2], np.int32), np.array([7, 8, 7, 8, 9], np.int32))
    return Examples.of(pa.table({"__key": ["a", "b", "c"]}), candidates, block, _ints(8, -1, 5), _ints(1, 2, 1))


def test_a_pair_is_a_match_where_the_candidate_is_the_truth() -> None:
    assert _examples().match.tolist() == [False, True, False, False, False]


def test_records_are_chosen_with_their_pairs_and_numbered_anew() -> None:
    chosen = _examples().of_records(np.array([False, True, True]))
    assert chosen.record.tolist() == [0, 1, 1]
    assert chosen.reference.tolist() == [7, 8, 9]
    assert chosen.truth.tolist() == [-1, 5]
    assert chosen.group.tolist() == [2, 1]
    assert chosen.matrix[:, 0].tolist() == [3, 4, 5]


def test_pairs_are_chosen_and_all_records_stay() -> None:
    examples = _examples()
    chosen = examples.of_pairs(examples.match)
    assert chosen.record.tolist() == [0]
    assert chosen.truth.tolist() == [8, -1, 5]


def test_joined_examples_keep_their_records_apart_and_their_entities_together() -> None:
    one = _examples()
    both = Examples.join([one, one.of_records(np.array([True, False, False]))])
    assert both.record.tolist() == [0, 0, 1, 2, 2, 3, 3]
    assert both.match.tolist() == [False, True, False, False, False, False, True]
    assert both.group.tolist() == [1, 2, 1, 1]
    assert len(both.matrix) == 7


def test_features_are_brought_into_the_order_asked_for_and_missing_ones_are_unknown() -> None:
    wanted = (Feature("b", 0, "b"), Feature("c", 0, "c"), Feature("a", 1, "a"))
    matrix = _examples().with_features(wanted).matrix
    assert matrix[:, 0].tolist() == [10, 20, 30, 40, 50]
    assert np.isnan(matrix[:, 1]).all()
    assert matrix[:, 2].tolist() == [1, 2, 3, 4, 5]


def test_the_same_features_leave_examples_as_they_are() -> None:
    examples = _examples()
    assert examples.with_features(examples.features) is examples


def test_counterfactual_records_are_known_when_chosen_and_joined() -> None:
    one = _examples()
    assert not one.counterfactual.any()
    again = replace(one, counterfactual=np.array([True, False, True]))
    assert again.of_records(np.array([True, True, False])).counterfactual.tolist() == [True, False]
    assert Examples.join([one, again]).counterfactual.tolist() == [False] * 3 + [True, False, True]


# --- the same records as if the reference lacked them ---


def test_of_found_counterparts_the_record_stands_there_once_more_without_it() -> None:
    raw = _reference(60)
    reference = Reference.prepare(raw, SCHEMA, SearchSettings(limit=8, threads=1))
    space = FeatureSpace.fit(reference.table, SCHEMA, TextLimits(threads=1))
    table = raw.take(pa.array([3, 4, 5])).rename_columns(["id", "name", "city"])
    sources = normalize_table(table, SCHEMA, Side.SOURCE)
    candidates = reference.index.search(sources)
    truth = _ints(3, -1, 50)  # the third denotes one that is unlike it, and is not found
    assert not (candidates.reference[candidates.source == 2] == 50).any()
    made = counterfactual_examples(sources, candidates, truth, _ints(0, 1, 2), reference, space)
    assert made.counterfactual.tolist() == [True] * 3
    assert made.truth.tolist() == [-1] * 3
    assert made.group.tolist() == [0, 1, 2]
    assert made.reference.tolist() == [row for row in candidates.reference[candidates.source == 0] if row != 3]
    assert set(made.record) == {0}
    names = [feature.name for feature in made.features]
    assert made.matrix[:, names.index("name.ratio.behind")].max() == 0, "the best of the rest is the first now"


# --- made by noise ---


def _reference(rows: int) -> pa.Table:
    places = ["Norwich", "Utrecht", "Salzburg", "Bergamo"]
    trades = ["Foods", "Steel", "Shipping", "Textiles", "Optics", "Paper", "Tools", "Energy"]
    rng = np.random.default_rng(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    first = ["".join(letters[place] for place in rng.integers(26, size=7)).title() for _ in range(rows)]
    names = [f"{word} {trades[row % 8]} Ltd" for row, word in enumerate(first)]
    return pa.table(
        {"key": [str(row) for row in range(rows)], "name": names, "city": [places[r % 4] for r in range(rows)]}
    )


def _made(rows: int, records: int, seed: int = 0) -> Examples:
    raw = _reference(rows)
    reference = Reference.prepare(raw, SCHEMA, SearchSettings(limit=8, threads=1))
    space = FeatureSpace.fit(reference.table, SCHEMA, TextLimits(threads=1))
    settings = ScorerSettings(synthetic_records=records, threads=1)
    profiles = profile_source(None, SCHEMA)
    return synthetic_examples(raw, reference, space, profiles, settings, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def made() -> Examples:
    return _made(FEW, 800)


def test_most_records_made_by_noise_are_found_again(made: Examples) -> None:
    found = np.zeros(len(made.truth), dtype=bool)
    found[made.record[made.match]] = True
    assert found[made.truth >= 0].mean() > 0.9
    assert not found[made.truth < 0].any()


def test_of_some_records_the_counterpart_is_hidden(made: Examples) -> None:
    assert len(made.truth) == 800 + 100  # noisy and exact copies; a reference of this size needs no decoys
    assert np.mean(made.truth < 0) == pytest.approx(HIDDEN, abs=0.05)


def test_a_hidden_counterpart_is_not_among_the_candidates(made: Examples) -> None:
    # without a counterpart hidden, the group of a copy is the reference row it was made from
    nowhere = made.truth[made.record] < 0
    assert not (made.reference[nowhere] == made.group[made.record[nowhere]]).any()


def test_records_are_numbered_upwards_and_rows_are_those_of_the_reference(made: Examples) -> None:
    assert (np.diff(made.record) >= 0).all()
    assert made.record.max() < len(made.truth)
    assert made.reference.min() >= 0
    assert made.reference.max() < FEW


def test_one_seed_makes_the_same_examples(made: Examples) -> None:
    again = _made(FEW, 800)
    np.testing.assert_array_equal(again.matrix, made.matrix)
    np.testing.assert_array_equal(again.truth, made.truth)


def test_a_small_reference_gets_decoys_that_are_nowhere() -> None:
    few = _made(40, 100)
    assert len(few.truth) == 100 + 12 + 35
    assert (few.truth[-35:] == -1).all()


def test_a_reference_of_one_record_is_enough() -> None:
    one = _made(1, 4000)
    assert len(one.truth) > 5
    assert one.match.any()
