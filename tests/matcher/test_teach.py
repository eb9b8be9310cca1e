"""Teaching Ditto labels, and scores of what it had not seen."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from entity_matching.config import DittoSettings, MatcherSettings
from entity_matching.errors import LabelsError
from entity_matching.matcher.calibrate import expit
from entity_matching.matcher.examples import Examples
from entity_matching.matcher.lessons import Lesson, Provenance, lesson
from entity_matching.matcher.teach import FEWEST, Pupil, cross_taught, pretraining
from entity_matching.matcher.train import Task


@pytest.fixture(scope="module")
def pupil(deep_task: Task) -> Pupil:
    """Ditto, taught what needs no labels."""
    assert deep_task.deep is not None
    return deep_task.deep.pupil


@pytest.fixture(scope="module")
def examples(deep_task: Task) -> Examples:
    assert deep_task.examples is not None
    return deep_task.examples


@pytest.fixture(scope="module")
def ditto(deep_settings: MatcherSettings) -> DittoSettings:
    assert deep_settings.ditto is not None
    return deep_settings.ditto


@pytest.fixture(scope="module")
def labels(deep_task: Task, pupil: Pupil, examples: Examples) -> Lesson:
    """What some of the labels teach."""
    some = examples.of_records(np.arange(len(examples.truth)) < 25)
    return lesson(some, deep_task.reference.table, pupil.reader, Provenance.LABEL)


def _weights(pupil: Pupil) -> dict[str, Any]:
    return {name: value.clone() for name, value in pupil.network.state_dict().items()}


def _differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return any(bool((value != other[name]).any()) for name, value in one.items())


def test_a_taught_pupil_is_another_one_and_says_what_it_was_taught(
    pupil: Pupil, labels: Lesson, ditto: DittoSettings
) -> None:
    before, told = _weights(pupil), []
    taught = pupil.taught([labels], ditto, 0, "labels", lambda stage, share: told.append((stage, share)))
    assert not _differ(before, _weights(pupil))
    assert _differ(before, _weights(taught))
    assert list(pupil.record) == ["pretraining"]
    assert list(taught.record) == ["pretraining", "labels"]
    record = taught.record["labels"]
    assert sum(record["pairs"].values()) == len(labels.pairs)
    assert (record["passes"], 0 <= record["validation_f1"] <= 1) == (1, True)
    assert record["curve"]["validation_f1"] == [record["validation_f1"]] and record["curve"]["loss"][0] > 0
    assert all("Ditto" in stage and 0 <= share <= 1 for stage, share in told)
    assert told[-1][1] == 1.0


def test_the_seed_decides_what_is_learnt(pupil: Pupil, labels: Lesson, ditto: DittoSettings) -> None:
    one, same, other = (pupil.taught([labels], ditto, seed, "labels") for seed in (0, 0, 1))
    assert not _differ(_weights(one), _weights(same))
    assert _differ(_weights(one), _weights(other))


def test_each_training_keeps_its_checkpoint_in_a_folder_of_its_own(
    pupil: Pupil, labels: Lesson, ditto: DittoSettings, tmp_path: Path
) -> None:
    kept = replace(pupil, checkpoints=tmp_path)
    kept.taught([labels], ditto, 0, "one")
    kept.taught([labels], ditto, 0, "two")
    assert sorted(path.parent.name for path in tmp_path.rglob("state.json")) == ["one", "two"]


def test_a_lesson_too_small_to_see_what_was_learnt_is_left_out(
    pupil: Pupil, labels: Lesson, ditto: DittoSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "entity_matching")
    one = replace(labels.take(labels.entity == labels.entity[0]), provenance=Provenance.IDENTIFIER)
    assert one.has_both
    taught = pupil.taught([labels, one], ditto, 0, "both")
    assert "identifier" not in taught.record["both"]["pairs"]
    assert taught.record["both"]["pairs"]["label"] == labels.pairs.matches.sum()
    assert "too few pairs to learn from: identifier" in caplog.text
    with pytest.raises(LabelsError, match="too few pairs"):
        pupil.taught([one], ditto, 0, "one")


def test_only_what_is_asked_is_scored(deep_task: Task, pupil: Pupil, examples: Examples, ditto: DittoSettings) -> None:
    chosen = np.arange(len(examples.record)) % 5 == 0
    odds = pupil.predict(examples, deep_task.reference.table, chosen, ditto)
    assert np.isfinite(odds[chosen]).all()
    assert np.isnan(odds[~chosen]).all()
    alone = np.flatnonzero(chosen)[3]
    single = pupil.predict(examples, deep_task.reference.table, np.arange(len(chosen)) == alone, ditto)
    assert single[alone] == pytest.approx(odds[alone], abs=1e-4)


def test_the_exported_network_says_what_the_pupil_says(
    deep_task: Task, pupil: Pupil, examples: Examples, ditto: DittoSettings
) -> None:
    exported = pupil.exported(examples, deep_task.reference.table, ditto, 0)
    every = np.ones(len(examples.record), dtype=bool)
    pairs = pupil.reader.tokenized(examples.sources, deep_task.reference.table, examples.record, examples.reference)
    said = expit(exported.model.predict_tokens(pairs))
    assert np.abs(said - expit(pupil.predict(examples, deep_task.reference.table, every, ditto))).max() < 0.05
    assert exported.model.parity.pairs == min(300, len(pairs))
    assert exported.seconds_per_pair > 0


class _Spied:
    """Notes whom each training taught, and whom each pupil scored, without the trouble of training."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taught: dict[str, set[int]] = {}
        self.scored: dict[str, set[int]] = {}

        def taught(
            pupil: Pupil, lessons: Sequence[Lesson], settings: DittoSettings, seed: int, stage: str, progress: Any
        ) -> Pupil:
            self.taught[stage] = {int(entity) for one in lessons for entity in one.entity}
            return replace(pupil, record={**pupil.record, stage: {}})

        def predict(
            pupil: Pupil, examples: Examples, reference: pa.Table, chosen: npt.NDArray[np.bool_], settings: Any
        ) -> npt.NDArray[np.float64]:
            stage = list(pupil.record)[-1]
            self.scored[stage] = {int(group) for group in examples.group[examples.record[chosen]]}
            return np.where(chosen, float(len(self.scored)), np.nan)

        monkeypatch.setattr(Pupil, "taught", taught)
        monkeypatch.setattr(Pupil, "predict", predict)


@pytest.mark.parametrize("folds", [2, 3])
def test_a_labelled_record_is_scored_by_a_network_that_was_not_taught_its_entity(
    deep_task: Task,
    pupil: Pupil,
    examples: Examples,
    deep_settings: MatcherSettings,
    monkeypatch: pytest.MonkeyPatch,
    folds: int,
) -> None:
    spied = _Spied(monkeypatch)
    settings = replace(deep_settings, cascade=replace(deep_settings.cascade, folds=folds))
    asked = np.arange(len(examples.record)) % 3 > 0
    taught, odds = cross_taught(pupil, examples, deep_task.reference.table, asked, settings)
    assert len(spied.scored) == folds
    for stage, scored in spied.scored.items():
        assert scored
        assert spied.taught[stage]
        assert not scored & spied.taught[stage]
        assert scored | spied.taught[stage] <= set(examples.group.tolist())
    assert np.isfinite(odds[asked]).all()
    assert np.isnan(odds[~asked]).all()
    # a record's candidates are scored by one network
    by_record = [set(odds[asked & (examples.record == record)].tolist()) for record in np.unique(examples.record)]
    assert {len(found) for found in by_record} == {1}
    assert spied.taught["labels"] == set(examples.group[examples.record].tolist())
    assert list(taught.record) == ["pretraining", "labels"]


def test_progress_runs_from_0_to_1_over_all_trainings(
    deep_task: Task, pupil: Pupil, examples: Examples, deep_settings: MatcherSettings
) -> None:
    told: list[tuple[str, float]] = []
    nothing = np.zeros(len(examples.record), dtype=bool)
    cross_taught(
        pupil,
        examples,
        deep_task.reference.table,
        nothing,
        deep_settings,
        lambda stage, share: told.append((stage, share)),
    )
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0] < 1 / 3, shares[-1]) == (True, 1.0)
    for number in (1, 2, 3):
        assert any(f"training {number} of 3" in stage for stage, _ in told)


@pytest.mark.parametrize("entities", [1, FEWEST - 1])
def test_too_few_labelled_matches_leave_ditto_as_it_was_pretrained(
    deep_task: Task,
    pupil: Pupil,
    examples: Examples,
    deep_settings: MatcherSettings,
    caplog: pytest.LogCaptureFixture,
    entities: int,
) -> None:
    caplog.set_level(logging.INFO, "entity_matching")
    matched = np.flatnonzero(np.isin(np.arange(len(examples.truth)), examples.record[examples.match]))
    few = examples.of_records(np.isin(np.arange(len(examples.truth)), matched[:entities]))
    asked = np.ones(len(few.record), dtype=bool)
    taught, odds = cross_taught(pupil, few, deep_task.reference.table, asked, deep_settings)
    assert taught is pupil
    assert np.isfinite(odds).all()
    assert f"fewer than {FEWEST} labelled entities have a match: Ditto is not taught labels" in caplog.text


def test_no_label_at_all_in_a_fold_does_no_harm(
    deep_task: Task, pupil: Pupil, examples: Examples, deep_settings: MatcherSettings
) -> None:
    none = examples.of_records(np.zeros(len(examples.truth), dtype=bool))
    taught, odds = cross_taught(pupil, none, deep_task.reference.table, np.zeros(0, dtype=bool), deep_settings)
    assert taught is pupil
    assert odds.shape == (0,)


def test_pretraining_has_its_own_number_of_passes(deep_settings: MatcherSettings, ditto: DittoSettings) -> None:
    settings = replace(deep_settings, cascade=replace(deep_settings.cascade, pretraining_epochs=7))
    assert pretraining(settings) == replace(ditto, epochs=7)
