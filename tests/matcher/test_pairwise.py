from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import ScorerSettings
from entity_matching.errors import LabelsError
from entity_matching.matcher.pairwise import LabelledPairs, PairwiseModel, best_threshold
from entity_matching.schema import Schema

SCHEMA = Schema.model_validate({"attributes": {"title": "text", "price": "number"}})
SETTINGS = ScorerSettings(trees=30, monotone=False, threads=1)
MAKES = ("canon", "nikon", "sony", "kodak", "leica")


def labelled(size: int, seed: int) -> LabelledPairs:
    """Cameras of five makes; a match is the same model, sold at another price under other words."""
    rng = np.random.default_rng(seed)
    left, right, matches = [], [], []
    for _ in range(size):
        make, model, is_match = str(rng.choice(MAKES)), int(rng.integers(1000, 9999)), bool(rng.random() < 0.4)
        other = model if is_match else int(rng.integers(1000, 9999))
        left.append({"title": f"{make} digital camera P{model}", "price": f"{rng.integers(90, 110)}"})
        right.append({"title": f"{make} p-{other} black", "price": f"{rng.integers(90, 110)}"})
        matches.append(is_match)
    return LabelledPairs(pa.Table.from_pylist(left), pa.Table.from_pylist(right), np.array(matches))


@pytest.fixture(scope="module")
def model() -> PairwiseModel:
    return PairwiseModel.train(labelled(200, 0), labelled(60, 1), SCHEMA, SETTINGS)


def test_pairs_never_seen_are_told_apart(model: PairwiseModel) -> None:
    unseen = labelled(100, 2)
    assert (model.decide(unseen.left, unseen.right) == unseen.matches).mean() > 0.95


def test_probabilities_lie_between_0_and_1_and_the_threshold_divides_them(model: PairwiseModel) -> None:
    unseen = labelled(30, 3)
    scores = model.predict(unseen.left, unseen.right)
    assert scores.shape == (30,)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (model.decide(unseen.left, unseen.right) == (scores >= model.threshold)).all()


def test_training_again_gives_the_same_scores_another_seed_others(model: PairwiseModel) -> None:
    training, validation, unseen = labelled(200, 0), labelled(60, 1), labelled(30, 4)
    again = PairwiseModel.train(training, validation, SCHEMA, SETTINGS)
    other = PairwiseModel.train(training, validation, SCHEMA, SETTINGS, seed=1)
    scores = model.predict(unseen.left, unseen.right)
    assert again.predict(unseen.left, unseen.right).tolist() == scores.tolist()
    assert other.predict(unseen.left, unseen.right).tolist() != scores.tolist()


def test_the_score_is_the_mean_of_the_bags(model: PairwiseModel) -> None:
    unseen = labelled(10, 5)
    block = model.compare(unseen.left, unseen.right)
    each = [scorer.predict(block) for scorer in model.scorers]
    assert len(each) == 3
    assert model.predict(unseen.left, unseen.right) == pytest.approx(np.mean(each, axis=0))


def test_no_pairs_get_no_scores(model: PairwiseModel) -> None:
    none = labelled(10, 0).left.slice(0, 0)
    assert model.predict(none, none).shape == (0,)


@pytest.mark.parametrize(("is_match", "said"), [(False, "no match"), (True, "nothing but matches")])
def test_labels_of_one_kind_are_refused(is_match: bool, said: str) -> None:
    good = labelled(20, 0)
    bad = LabelledPairs(good.left, good.right, np.full(20, is_match))
    with pytest.raises(LabelsError, match=f"there is {said} among the 20 training pairs"):
        PairwiseModel.train(bad, good, SCHEMA, SETTINGS)
    with pytest.raises(LabelsError, match="validation pairs"):
        PairwiseModel.train(good, bad, SCHEMA, SETTINGS)


def test_tables_of_different_lengths_are_refused() -> None:
    pairs = labelled(5, 0)
    with pytest.raises(LabelsError, match="found 4, 5 and 5"):
        LabelledPairs(pairs.left.slice(1), pairs.right, pairs.matches)


@pytest.mark.parametrize(
    ("scores", "matches", "threshold"),
    [
        ([0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0], 0.5),
        ([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0], 0.3),  # equal scores stand or fall together
        ([0.3, 0.7], [1, 1], 0.15),  # everything is a match
        ([0.6, 0.9], [1, 0], 0.3),
        ([-1.0, -4.0], [1, 1], -4.0),  # log-odds have no lowest value at 0
    ],
)
def test_the_threshold_lies_half_way_below_the_last_pair_worth_accepting(
    scores: list[float], matches: list[int], threshold: float
) -> None:
    assert best_threshold(np.array(scores), np.array(matches, dtype=bool)) == pytest.approx(threshold)
