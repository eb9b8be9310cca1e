"""Ditto on labelled pairs of several data sets."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import DittoSettings, ScorerSettings
from entity_matching.errors import LabelsError
from entity_matching.matcher.calibrate import logit
from entity_matching.matcher.deep_pairs import (
    BLENDED,
    DITTO,
    PAIRWISE,
    DeepPairwiseModel,
    PairTask,
    adapt,
    teach_together,
)
from entity_matching.matcher.pairwise import LabelledPairs, PairwiseModel
from entity_matching.schema import Schema

CAMERAS = Schema.from_yaml("{attributes: {title: text, price: number}}")
WINES = Schema.from_yaml("{attributes: {name: name, city: {kind: category, type: place}}}")
FEATURES = ScorerSettings(trees=15, monotone=False, threads=1)


def cameras(size: int, seed: int) -> LabelledPairs:
    """A match is the same model under other words."""
    rng = np.random.default_rng(seed)
    matches = rng.random(size) < 0.4
    model = rng.integers(10, 99, size)
    other = np.where(matches, model, rng.integers(10, 99, size))
    left = pa.table({"title": [f"canon p{n}" for n in model], "price": [f"{n}" for n in rng.integers(90, 110, size)]})
    right = pa.table({"title": [f"canon {n}" for n in other], "price": [f"{n}" for n in rng.integers(90, 110, size)]})
    return LabelledPairs(left, right, matches)


def wines(size: int, seed: int) -> LabelledPairs:
    """A match is the same house in the same place."""
    rng = np.random.default_rng(seed)
    houses, places = (
        np.array(["dobry", "kessel", "mirabel", "ornato", "pask"]),
        np.array(["trier", "bordeaux", "rioja"]),
    )
    house, place = rng.choice(houses, size), rng.choice(places, size)
    matches = rng.random(size) < 0.5
    other = np.where(matches, house, rng.choice(houses, size))
    left = pa.table({"name": [f"house {name}" for name in house], "city": place.tolist()})
    right = pa.table({"name": [str(name) for name in other], "city": place.tolist()})
    return LabelledPairs(left, right, matches)


class Sets(NamedTuple):
    encoder: Any
    settings: DittoSettings
    cameras: PairTask
    wines: PairTask


@pytest.fixture(scope="module")
def sets(small_encoder: Path) -> Sets:
    encoders = importlib.import_module("entity_matching.ditto.encoders")
    encoder = encoders.load_encoder(str(small_encoder))
    settings = DittoSettings(
        encoder=str(small_encoder), epochs=2, max_tokens=48, learning_rate=2e-3, head_rate=1e-2, precision="fp32",
        device="cpu", threads=1,
    )  # fmt: skip
    return Sets(
        encoder,
        settings,
        PairTask.of("cameras", cameras(120, 0), cameras(50, 1), CAMERAS, encoder, settings),
        PairTask.of("wines", wines(80, 2), wines(40, 3), WINES, encoder, settings),
    )


@pytest.fixture(scope="module")
def together(sets: Sets) -> Any:
    """A network taught on both."""
    network = importlib.import_module("entity_matching.ditto.network").PairNetwork.of(sets.encoder, 0.1, 0)
    return teach_together(network, [sets.cameras, sets.wines], sets.settings)


@pytest.fixture(scope="module")
def model(sets: Sets, together: Any) -> DeepPairwiseModel:
    """A blend for one of the sets."""
    inference = importlib.import_module("entity_matching.ditto.inference")
    network = adapt(together, sets.cameras, sets.settings)

    def predict(pairs: Any) -> Any:
        return inference.predict(network, sets.cameras.reader.tokenizer, pairs, sets.settings)

    features = PairwiseModel.train(cameras(120, 0), cameras(50, 1), CAMERAS, FEATURES)
    return DeepPairwiseModel.blend(sets.cameras, features, predict, cameras(120, 0), cameras(50, 1))


def _f1(accepted: Any, matches: Any) -> float:
    return float(2 * (accepted & matches).sum() / (accepted.sum() + matches.sum()))


def test_both_blends_tell_unseen_pairs_apart_better_than_taking_all(model: DeepPairwiseModel) -> None:
    unseen = cameras(200, 9)
    everything = np.ones(200, dtype=bool)
    scores = model.scores(unseen.left, unseen.right)
    assert all(((probability >= 0) & (probability <= 1)).all() for probability in scores.values())
    for name in (PAIRWISE, BLENDED):
        assert _f1(scores[name] >= model.thresholds[name], unseen.matches) > _f1(everything, unseen.matches) + 0.1


def test_thresholds_are_half_of_the_best_f1_on_the_validation_pairs(model: DeepPairwiseModel) -> None:
    held = cameras(50, 1)
    for name, scores in model.scores(held.left, held.right).items():
        best = max(_f1(scores >= cut, held.matches) for cut in scores)
        assert model.thresholds[name] == pytest.approx(best / 2)


def test_scores_are_of_the_pairs_in_their_order(model: DeepPairwiseModel) -> None:
    unseen = cameras(20, 5)
    scores = model.scores(unseen.left, unseen.right)
    backwards = pa.array(range(19, -1, -1))
    again = model.scores(unseen.left.take(backwards), unseen.right.take(backwards))
    for name, probability in scores.items():
        assert again[name][::-1] == pytest.approx(probability, abs=1e-4)
    given = logit(model.features.predict(unseen.left, unseen.right))
    odds = model.predict(model.task.tokenized(unseen.left, unseen.right))
    assert scores[PAIRWISE] == pytest.approx(model.pairwise.apply(given, odds, np.zeros((20, 2))))


def test_only_the_blend_with_rivals_depends_on_what_else_is_asked(model: DeepPairwiseModel) -> None:
    one = pa.table({"title": ["canon p42"] * 2, "price": ["100"] * 2})
    others = pa.table({"title": ["canon 42", "canon 42 black"], "price": ["100", "100"]})
    alone = model.scores(one.slice(0, 1), others.slice(0, 1))
    beside = model.scores(one, others)
    for name in (DITTO, PAIRWISE):
        assert beside[name][0] == pytest.approx(alone[name][0], abs=1e-4)
    assert beside[BLENDED][0] < alone[BLENDED][0]


def test_teaching_leaves_the_network_as_it_was(sets: Sets, together: Any) -> None:
    before = {name: value.clone() for name, value in together.state_dict().items()}
    adapted = adapt(together, sets.wines, sets.settings, seed=1)
    assert all(bool((value == before[name]).all()) for name, value in together.state_dict().items())
    assert any(bool((value != before[name]).any()) for name, value in adapted.state_dict().items())


def test_training_pairs_that_are_left_out_are_not_seen(sets: Sets) -> None:
    task = sets.cameras
    fewer = task.without(np.arange(120) < 30)
    assert len(fewer.training.pairs) == 90
    assert len(fewer.training.tokenized()) == 90
    assert fewer.training.pairs.matches.tolist() == task.training.pairs.matches[30:].tolist()
    assert fewer.training.tokenized()[0].ids.tolist() == task.training.tokenized()[30].ids.tolist()
    assert len(fewer.validation.pairs) == len(task.validation.pairs)
    assert len(task.training.pairs) == 120


def test_only_so_many_validation_pairs_that_do_not_match_are_looked_at(
    sets: Sets, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Any] = []

    def spy(network: Any, training: Any, validation: Any, *_: Any, **__: Any) -> None:
        looked_at.extend(data.pairs.matches for data in validation)

    monkeypatch.setattr("entity_matching.ditto.train.train_network", spy)
    network = importlib.import_module("torch").nn.Linear(1, 1)
    teach_together(network, [sets.cameras, sets.wines], sets.settings, validation_negatives=0.5)
    for found, task in zip(looked_at, (sets.cameras, sets.wines), strict=True):
        given = task.validation.pairs.matches
        assert found.sum() == given.sum()
        assert (~found).sum() == min(round(0.5 * given.sum()), (~given).sum())


def test_a_set_of_one_kind_of_pairs_is_refused(sets: Sets, together: Any) -> None:
    only = sets.cameras.without(sets.cameras.training.pairs.matches)
    with pytest.raises(LabelsError, match="no match among the .* training pairs of 'cameras'"):
        adapt(together, only, sets.settings)
