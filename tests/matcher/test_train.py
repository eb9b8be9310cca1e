"""What a task is made of, and what is learnt from its parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from entity_matching.config import MatcherSettings, ScorerSettings
from entity_matching.matcher.train import Task

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies

SETTINGS = MatcherSettings(scorer=ScorerSettings(trees=10, synthetic_records=100, threads=1))


def _task(companies: Companies, settings: MatcherSettings) -> Task:
    return Task.prepare(companies.source, companies.reference, companies.labels, companies.schema, settings)


@pytest.fixture(scope="module")
def task(companies: Companies) -> Task:
    return _task(companies, SETTINGS)


def test_labelled_records_whose_counterpart_is_found_stand_there_once_more_without_it(task: Task) -> None:
    assert task.examples is not None and task.counterfactual is not None and task.truth is not None
    found = np.unique(task.examples.record[task.examples.match])
    assert set(task.counterfactual.record) <= set(found)
    assert not (task.counterfactual.reference == task.truth[task.counterfactual.record]).any()
    assert len(task.counterfactual.record) == int(np.isin(task.examples.record, found).sum()) - len(found)


def test_what_is_held_out_is_not_learnt_from_that_way_either(task: Task) -> None:
    assert task.examples is not None and task.counterfactual is not None and task.truth is not None
    chosen = np.arange(len(task.truth)) % 2 == 0
    learnt = task.learn(SETTINGS, chosen)
    pairs = chosen[task.examples.record].sum() + chosen[task.counterfactual.record].sum()
    assert len(learnt.first.raw) == pairs
    assert len(learnt.first.outcomes.confidence) == chosen.sum()


def test_without_a_weight_there_are_none(companies: Companies) -> None:
    settings = replace(SETTINGS, scorer=replace(SETTINGS.scorer, counterfactual_weight=0.0))
    task = _task(companies, settings)
    assert task.counterfactual is None
    assert task.examples is not None
    assert len(task.learn(settings).first.raw) == len(task.examples.record)
