"""Fitting a scorer and its calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from entity_matching.config import ScorerSettings
from entity_matching.features import Block
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.fit import fit, train_scorer
from entity_matching.search import Candidates

SETTINGS = ScorerSettings(trees=20, threads=1)


def _examples(records: int = 60) -> Examples:
    """Of each record two candidates; of most the first one is right, and it looks so."""
    record = np.repeat(np.arange(records), 2)
    truth = np.where(np.arange(records) % 5 == 0, -1, 2 * np.arange(records))
    block = Block(2 * records)
    letters = np.random.default_rng(0).random(2 * records) * 0.6
    block.add("letters", letters + 0.4 * (truth[record] == np.arange(2 * records)), 1, "letters")
    candidates = Candidates(record.astype(np.int32), np.arange(2 * records, dtype=np.int32))
    return Examples.of(
        pa.table({"__key": [str(row) for row in range(records)]}), candidates, block, truth, np.arange(records)
    )


def _again(examples: Examples) -> Examples:
    """Return the records with their counterparts hidden."""
    hidden = examples.of_pairs(~examples.match)
    size = len(examples.truth)
    return replace(hidden, truth=np.full(size, -1), counterfactual=np.ones(size, dtype=np.bool_))


def test_counterfactual_records_are_not_calibrated_on() -> None:
    examples = _examples()
    fitted = fit(Examples.join([examples, _again(examples)]), None, SETTINGS, 0)
    assert len(fitted.outcomes.confidence) == len(examples.truth)
    assert fitted.outcomes.has_truth.tolist() == (examples.truth >= 0).tolist()
    assert len(fitted.raw) == len(examples.record) + int((~examples.match).sum())


def test_the_more_they_weigh_the_less_a_wrong_candidate_is_believed() -> None:
    examples = _examples()
    both = Examples.join([examples, _again(examples)])
    believed = []
    for weight in (0.0, 1.0):
        scorer = train_scorer(both, None, replace(SETTINGS, counterfactual_weight=weight), 0)
        believed.append(float(scorer.predict_matrix(examples.matrix)[~examples.match].mean()))
    assert believed[1] < 0.9 * believed[0]
