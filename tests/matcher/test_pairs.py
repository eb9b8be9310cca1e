from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from entity_matching.config import MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.errors import ArtifactError, InputError
from entity_matching.matcher import Matcher
from entity_matching.schema import Schema

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies


def _confidence(matcher: Matcher, left: pa.Table, right: pa.Table) -> np.ndarray:
    return np.asarray(matcher.score_pairs(left, right)["confidence"].to_numpy())


def _drawn(data: Companies, size: int = 300, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Random pairs, and after them the labelled ones."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(data.source.num_rows, size=size), rng.integers(data.reference.num_rows, size=size)
    left, right = (table.take(pa.array(row)) for table, row in zip((data.source, data.reference), rows, strict=True))
    one, two = _labelled(data)
    return pa.concat_tables([left, one]).combine_chunks(), pa.concat_tables([right, two]).combine_chunks()


def _labelled(data: Companies) -> tuple[pa.Table, pa.Table]:
    labels = data.labels.filter(pc.is_in(data.labels["reference_key"], value_set=data.reference["company_id"]))
    left = pc.index_in(labels["source_key"], value_set=data.source["source_id"])
    right = pc.index_in(labels["reference_key"], value_set=data.reference["company_id"])
    return data.source.take(left), data.reference.take(right)


@pytest.mark.parametrize("kind", ["taught", "blind"])
def test_pairs_that_match_are_sure_and_pairs_drawn_at_random_are_not(
    companies: Companies, kind: str, request: pytest.FixtureRequest
) -> None:
    matcher: Matcher = request.getfixturevalue(kind)
    left, right = _drawn(companies)
    random, labelled = np.split(_confidence(matcher, left, right), [300])
    assert np.median(labelled) > 0.9
    assert np.quantile(random, 0.98) < 0.05
    assert labelled.min() >= 0 and labelled.max() <= 1


def test_what_the_pipeline_accepts_is_sure_as_a_pair(companies: Companies, taught: Matcher) -> None:
    decided = taught.match(companies.source, companies.reference)
    accepted = decided.filter(pc.equal(decided["decision"], "match"))
    left = companies.source.take(pc.index_in(accepted["source_key"], value_set=companies.source["source_id"]))
    right = companies.reference.take(pc.index_in(accepted["entity_id"], value_set=companies.reference["company_id"]))
    confidence = _confidence(taught, left, right)
    assert np.median(confidence) > 0.95
    assert (confidence >= 0.5).mean() > 0.95


def test_copies_of_records_match(companies: Companies, taught: Matcher, blind: Matcher) -> None:
    copies = companies.reference.select(["company_name", "country", "city"])
    for matcher in (taught, blind):
        assert pc.mean(matcher.score_pairs(copies, companies.reference)["prediction"]).as_py() > 0.995


def _alike(one: pa.Table, other: pa.Table) -> bool:
    """Say whether answers are the same, but for the last digits that a sum's order leaves open."""
    near = np.allclose(one["confidence"], other["confidence"], rtol=0, atol=1e-12)
    return near and one["prediction"].equals(other["prediction"])


@pytest.mark.parametrize("kind", ["taught", "deep_taught", "deep_blind"])
def test_a_pair_is_answered_the_same_alone_in_any_company_and_in_any_order(
    companies: Companies, kind: str, request: pytest.FixtureRequest
) -> None:
    matcher: Matcher = request.getfixturevalue(kind)
    left, right = _drawn(companies)
    together = matcher.score_pairs(left, right)
    order = np.random.default_rng(1).permutation(left.num_rows)
    shuffled = matcher.score_pairs(left.take(pa.array(order)), right.take(pa.array(order)))
    assert _alike(shuffled, together.take(pa.array(order)))
    for row in (*range(0, left.num_rows, 29), left.num_rows - 1):
        assert _alike(matcher.score_pairs(left.slice(row, 1), right.slice(row, 1)), together.slice(row, 1))
    twice = matcher.score_pairs(pa.concat_tables([left, left]), pa.concat_tables([right, right]))
    assert twice.equals(pa.concat_tables([together, together]))


def test_long_names_and_texts_beside_a_pair_change_nothing() -> None:
    """Sums are made in one order, however much room the longest text takes."""
    rng = np.random.default_rng(3)
    words = np.array([f"{letter}{ending}" for letter in "abcdefgh" for ending in ("lpha", "eta", "ros", "2", "x9y")])

    def text(size: int) -> str:
        return " ".join(rng.choice(words, size))

    sizes = rng.integers(1, 13, 120)
    reference = pa.table({"name": [text(size) for size in sizes], "note": [text(2 * size) for size in sizes]})
    settings = MatcherSettings(
        search=SearchSettings(limit=10, threads=1),
        scorer=ScorerSettings(trees=40, folds=2, synthetic_records=120, threads=1),
    )
    matcher = Matcher.train(
        None, reference, schema=Schema.from_yaml("attributes: {name: name, note: text}"), settings=settings
    )
    other = reference.take(pa.array(rng.permutation(120)))
    long = pa.table({"name": [text(60)], "note": [text(200)]})
    alone = [matcher.score_pairs(reference.slice(row, 1), other.slice(row, 1)) for row in range(120)]
    beside = matcher.score_pairs(pa.concat_tables([long, reference]), pa.concat_tables([long, other]))
    assert beside.slice(1).equals(pa.concat_tables(alone))


def test_a_shared_identifier_is_as_sure_as_in_the_exact_stage(companies: Companies, taught: Matcher) -> None:
    left = pa.table({"company_name": ["ASML HOLDING", "ASML HOLDING", "Coal of Wales"], "isin": ["NL0010273215"] * 3})
    right = pa.table(
        {"company_name": ["Advanced ASML Lithography"] * 3, "isin": ["NL0010273215", "US0378331005", "NL0010273215"]}
    )
    same, other, unlike = _confidence(taught, left, right)
    assert same == max(taught.model.exact["identifier"], same) > other
    assert unlike < taught.thresholds.match  # a shared identifier does not stand against another name


def test_the_prediction_is_by_the_threshold_from_which_the_pipeline_accepts(
    companies: Companies, taught: Matcher
) -> None:
    left, right = _drawn(companies)
    strict = taught.with_target_precision(0.999)
    for matcher in (taught, strict):
        judged = matcher.score_pairs(left, right)
        assert judged.schema == pa.schema({"prediction": pa.int64(), "confidence": pa.float64()})
        expected = pc.greater_equal(judged["confidence"], matcher.thresholds.match).cast(pa.int64())
        assert judged["prediction"].equals(expected)


def test_ditto_has_a_say_in_pairs_that_the_features_leave_in_doubt(companies: Companies, deep_taught: Matcher) -> None:
    assert deep_taught.model.alone is not None and deep_taught.model.alone.stack is not None
    left, right = _drawn(companies)
    mute = replace(deep_taught, model=replace(deep_taught.model, cascade=None))
    changed = _confidence(deep_taught, left, right) != _confidence(mute, left, right)
    assert 0 < changed.sum() < len(changed)
    everything = deep_taught.without_cascade()
    assert (_confidence(everything, left, right) != _confidence(mute, left, right)).all()


def test_a_saved_matcher_judges_pairs_the_same(
    companies: Companies, taught: Matcher, deep_taught: Matcher, tmp_path: Path
) -> None:
    left, right = _drawn(companies)
    for name, matcher in (("plain", taught), ("deep", deep_taught)):
        folder = tmp_path / name
        matcher.save(folder)
        assert Matcher.load(folder).score_pairs(left, right).equals(matcher.score_pairs(left, right))


def test_keys_and_columns_may_be_missing_and_no_pairs_give_no_answers(companies: Companies, taught: Matcher) -> None:
    names = companies.reference.select(["company_name"])
    assert taught.score_pairs(names, names).num_rows == names.num_rows
    assert taught.score_pairs(names.slice(0, 0), names.slice(0, 0)).num_rows == 0


def test_bad_calls_are_clear_errors(companies: Companies, taught: Matcher) -> None:
    names = companies.reference.select(["company_name"])
    with pytest.raises(InputError, match=r"as many left records as right ones, found 3 and 2.*one row per pair"):
        taught.score_pairs(names.slice(0, 3), names.slice(0, 2))
    with pytest.raises(InputError, match="the left records: expected a table"):
        taught.score_pairs([1], names)
    without = replace(taught, model=replace(taught.model, alone=None))
    with pytest.raises(ArtifactError, match="cannot judge pairs.*Train it again"):
        without.score_pairs(names, names)
