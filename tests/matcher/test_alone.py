from __future__ import annotations

import numpy as np
import pytest

from entity_matching.config import ScorerSettings
from entity_matching.errors import LabelsError
from entity_matching.features import Block, Feature
from entity_matching.matcher.alone import Alone, FittedAlone
from entity_matching.matcher.calibrate import expit
from entity_matching.matcher.examples import Examples

SETTINGS = ScorerSettings(trees=60, folds=2, threads=1)
FEATURES = tuple(
    Feature(name, direction, "")
    for name, direction in (("name.ratio", 1), ("search.lexical", 1), ("search.rank", -1), ("name.ratio.margin", 1))
)


def _examples(seed: int, records: int = 300, rivals: int = 8) -> Examples:
    """Candidates whose rank tells all, and whose likeness tells much."""
    rng = np.random.default_rng(seed)
    place = np.tile(np.arange(rivals), records)
    match = place == 0
    likeness = np.clip(rng.normal(0.5 + 0.3 * match, 0.15), 0, 1)
    matrix = np.column_stack([likeness, 1 - place / rivals, place, 1 - place]).astype(np.float32)
    record = np.repeat(np.arange(records), rivals)
    return Examples(FEATURES, matrix, record, place, np.zeros(records, dtype=np.int64), np.arange(records))


def _block(examples: Examples) -> Block:
    return Block(len(examples.record), list(examples.features), list(examples.matrix.T))


def test_search_and_rivals_have_no_say() -> None:
    examples = _examples(0)
    judge = FittedAlone.fit(examples, None, SETTINGS, 0).judge
    assert judge.scorer.features == ("name.ratio",)
    block = _block(examples)
    bare = Block(block.rows, block.features[:1], block.columns[:1])
    assert np.array_equal(judge.raw(bare), judge.raw(block))


def test_of_unseen_pairs_the_share_that_is_right_is_the_confidence() -> None:
    judge = FittedAlone.fit(_examples(0), None, SETTINGS, 0).judge
    unseen = _examples(1, records=2_000)
    raw = judge.raw(_block(unseen))
    confidence = judge.confidence(raw, np.full(len(raw), np.nan))
    for low, high in ((0.0, 0.1), (0.1, 0.4), (0.4, 0.8), (0.8, 1.0)):
        inside = (confidence >= low) & (confidence < high)
        assert unseen.match[inside].mean() == pytest.approx(confidence[inside].mean(), abs=0.1)


def test_ditto_moves_the_pairs_that_it_was_asked_of_and_stays_calibrated() -> None:
    examples = _examples(2)
    fitted = FittedAlone.fit(examples, None, SETTINGS, 0)
    odds = np.where(examples.match, 1.0, -1.0) + np.random.default_rng(99).normal(0, 1, len(examples.match))
    half = examples.record % 2 == 0
    judge = fitted.blended(np.where(half, odds, np.nan))
    assert judge.stack is not None and judge.stack.ditto > 0
    before = judge.confidence(fitted.raw, np.full(len(odds), np.nan))
    after = judge.confidence(fitted.raw, np.where(half, odds, np.nan))
    assert np.array_equal(before[~half], after[~half])
    match = examples.match[half].astype(float)
    assert ((after[half] - match) ** 2).mean() < 0.8 * ((before[half] - match) ** 2).mean()
    assert after[half].mean() == pytest.approx(match.mean(), abs=0.02)


def test_ditto_asked_of_one_kind_of_pairs_only_is_not_heard() -> None:
    examples = _examples(3, records=60)
    fitted = FittedAlone.fit(examples, None, SETTINGS, 0)
    assert fitted.blended(np.where(examples.match, np.nan, -1.0)).stack is None
    assert fitted.blended(np.full(len(examples.match), np.nan)).stack is None


def test_ditto_may_have_been_asked_of_some_of_the_examples() -> None:
    examples = _examples(4, records=60)
    fitted = FittedAlone.fit(examples, None, SETTINGS, 0)
    odds = np.where(examples.match, 2.0, -2.0)
    chosen = examples.record < 40
    assert fitted.blended(odds[chosen], chosen) == fitted.blended(np.where(chosen, odds, np.nan))


def test_matches_alone_teach_nothing() -> None:
    examples = _examples(5, records=20, rivals=1)
    with pytest.raises(LabelsError, match="nothing but matches"):
        FittedAlone.fit(examples, None, SETTINGS, 0)


def test_confidence_is_between_0_and_1_and_grows_with_the_score() -> None:
    judge: Alone = FittedAlone.fit(_examples(6), None, SETTINGS, 0).judge
    raw = expit(np.linspace(-12, 12, 50))
    confidence = judge.confidence(raw, np.full(50, np.nan))
    assert (np.diff(confidence) >= 0).all() and 0 <= confidence[0] and confidence[-1] <= 1
