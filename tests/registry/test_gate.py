"""Champion against challenger."""

from __future__ import annotations

import numpy as np
import pytest

from entity_matching.errors import SettingsError
from entity_matching.evaluate.outcomes import Outcomes
from entity_matching.registry.gate import GateRule, judge

SIZE = 200
RULE = GateRule(target_precision=0.9, draws=300)


def outcomes(right: list[bool], decision: str = "match", counterpart: bool = True) -> Outcomes:
    """Return the outcomes of a model that is right about some records, surer where it is."""
    size = len(right)
    keys = np.array([f"S{n}" for n in range(size)], dtype=object)
    true = np.array([f"E{n}" if counterpart else "" for n in range(size)], dtype=object)
    best = np.where(right, true, "other").astype(object)
    confidence = np.where(right, 0.95, 0.4)
    zeros = np.zeros(size, dtype=np.int64)
    decisions = np.array([decision] * size, dtype=object)
    return Outcomes(np.arange(size), keys, best, true, confidence, decisions, decisions, zeros)


def right(wrong: int, size: int = SIZE) -> list[bool]:
    return [n >= wrong for n in range(size)]


def test_a_model_is_not_worse_than_itself() -> None:
    same = outcomes(right(20))
    verdict = judge(same, same, RULE)
    assert verdict.passed and verdict.records == SIZE
    assert verdict.differences is not None
    assert {name: (e.value, e.low, e.high) for name, e in verdict.differences.items()} == {
        "f1": (0.0, 0.0, 0.0),
        "recall_at_target": (0.0, 0.0, 0.0),
    }


def test_a_better_model_passes_and_a_clearly_worse_one_does_not() -> None:
    good, bad = outcomes(right(4)), outcomes(right(40))
    assert judge(bad, good, RULE).passed
    verdict = judge(good, bad, RULE)
    assert not verdict.passed
    assert "worse than the champion on 200 records: F1 -0.18" in verdict.reason
    assert verdict.differences is not None
    difference = verdict.differences["f1"]
    assert difference.high is not None and difference.high < 0
    told = verdict.to_dict()
    assert told["champion"]["f1"] == pytest.approx(0.98) and told["challenger"]["f1"] == pytest.approx(0.8)


def test_a_small_loss_that_chance_explains_passes_and_a_larger_one_does_not() -> None:
    champion = outcomes([n % 20 != 0 for n in range(100)])  # five wrong
    one_worse = outcomes([n % 20 != 0 and n != 50 for n in range(100)])
    assert judge(champion, one_worse, RULE).passed
    verdict = judge(champion, one_worse, GateRule(target_precision=0.9, draws=300, max_loss=0.005))
    assert not verdict.passed
    assert "more than the 0.005 allowed" in verdict.reason


def test_it_is_paired() -> None:
    """Both err on the same records and the challenger on a few more: unpaired, chance would explain that."""
    champion = outcomes([n % 10 != 0 for n in range(1_000)])
    challenger = outcomes([n % 10 != 0 and n not in range(1, 100, 9) for n in range(1_000)])
    assert not judge(champion, challenger, RULE).passed


def test_recall_at_the_target_precision_counts_by_itself() -> None:
    """Both decide alike, but the challenger's confidence no longer tells right from wrong."""
    champion = outcomes(right(40))
    blind = Outcomes(**{**vars(champion), "confidence": np.full(SIZE, 0.9)})
    verdict = judge(champion, blind, RULE)
    assert not verdict.passed
    assert "recall at the target precision" in verdict.reason and "F1" not in verdict.reason


def test_the_same_seed_gives_the_same_verdict() -> None:
    one, other = outcomes(right(20)), outcomes(right(24))
    assert judge(one, other, RULE) == judge(one, other, RULE)


def test_without_a_counterpart_there_is_nothing_to_compare_on() -> None:
    verdict = judge(outcomes(right(0), counterpart=False), outcomes(right(0), counterpart=False), RULE)
    assert not verdict.passed and "no record to compare the models on" in verdict.reason


def test_models_applied_to_different_records_are_not_compared() -> None:
    with pytest.raises(SettingsError, match="different records"):
        judge(outcomes(right(1)), outcomes(right(1, SIZE - 1)), RULE)
