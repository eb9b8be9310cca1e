"""The pair scorer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from entity_matching.config import ScorerSettings
from entity_matching.errors import ArtifactError
from entity_matching.features import Block, Feature
from entity_matching.matcher.scorer import PairScorer

SETTINGS = ScorerSettings(trees=60, threads=1)
FEATURES = [Feature("close", 1, "closeness"), Feature("far", -1, "distance"), Feature("noise", 0, "nothing")]


def _pairs(rows: int = 1200, seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    matrix = rng.random((rows, 3)).astype(np.float32)
    return matrix, rng.random(rows) < 1 / (1 + np.exp(-12 * (matrix[:, 0] - matrix[:, 1])))


def _train(settings: ScorerSettings = SETTINGS, seed: int = 0) -> PairScorer:
    matrix, matches = _pairs()
    return PairScorer.train(FEATURES, matrix, matches, np.ones(len(matches)), settings, seed)


@pytest.fixture(scope="module")
def scorer() -> PairScorer:
    return _train()


def _block(**columns: list[float]) -> Block:
    block = Block(len(next(iter(columns.values()))))
    for name, values in columns.items():
        block.add(name, np.array(values), 0, "")
    return block


def test_close_pairs_score_high_and_far_ones_low(scorer: PairScorer) -> None:
    matrix, matches = _pairs(seed=1)
    score = scorer.predict_matrix(matrix)
    assert ((score >= 0) & (score <= 1)).all()
    assert np.mean((score > 0.5) == matches) > 0.85
    assert score[matches].mean() > score[~matches].mean() + 0.4


def test_a_closer_pair_never_scores_lower(scorer: PairScorer) -> None:
    steps = np.linspace(0, 1, 200).astype(np.float32)
    for others in (0.1, 0.5, 0.9):
        rest = np.full(200, others, dtype=np.float32)
        assert (np.diff(scorer.predict_matrix(np.column_stack([steps, rest, rest]))) >= 0).all()
        assert (np.diff(scorer.predict_matrix(np.column_stack([rest, steps, rest]))) <= 0).all()


def test_a_closer_pair_never_scores_lower_even_where_the_labels_say_so() -> None:
    # no label was ever as close as an exact copy is; the closest seen happen to be no matches
    rng = np.random.default_rng(0)
    matrix = rng.random((1000, 3)).astype(np.float32) * 0.9
    matches = (matrix[:, 0] > 0.4) & (matrix[:, 0] < 0.8)
    trained = PairScorer.train(FEATURES, matrix, matches, np.ones(1000), SETTINGS, 0)
    middle, copy = np.array([[0.6, 0, 0]], np.float32), np.array([[1, 0, 0]], np.float32)
    assert trained.predict_matrix(copy)[0] >= trained.predict_matrix(middle)[0]


def test_one_seed_gives_one_scorer(scorer: PairScorer) -> None:
    assert _train().to_text() == scorer.to_text()
    assert _train(seed=1).to_text() != scorer.to_text()


def test_a_pair_without_weight_teaches_nothing() -> None:
    matrix, matches = _pairs()
    lies = np.r_[matches, ~matches]
    weights = np.r_[np.ones(len(matches)), np.full(len(matches), 1e-6)]
    trained = PairScorer.train(FEATURES, np.r_[matrix, matrix], lies, weights, SETTINGS, 0)
    score = trained.predict_matrix(matrix)
    assert score[matches].mean() > score[~matches].mean() + 0.5


def test_features_are_found_by_name_in_any_order(scorer: PairScorer) -> None:
    one = scorer.predict(_block(close=[0.9, 0.1], far=[0.1, 0.9], noise=[0.5, 0.5]))
    other = scorer.predict(_block(noise=[0.5, 0.5], more=[1, 1], far=[0.1, 0.9], close=[0.9, 0.1]))
    assert one.tolist() == other.tolist()
    assert one[0] > one[1]


def test_a_feature_that_is_not_there_is_unknown_not_an_error(scorer: PairScorer) -> None:
    score = scorer.predict(_block(close=[0.95, 0.05]))
    assert np.isfinite(score).all()
    assert score[0] > score[1]


def test_no_pairs_give_no_scores(scorer: PairScorer) -> None:
    assert scorer.predict(_block(close=[])).shape == (0,)


def test_importance_names_the_features_that_tell(scorer: PairScorer) -> None:
    importance = scorer.importance()
    assert set(importance) == {"close", "far", "noise"}
    assert list(importance.values()) == sorted(importance.values(), reverse=True)
    assert next(reversed(importance)) == "noise"


@pytest.mark.parametrize("rows", [2, 10, 30])
def test_a_handful_of_pairs_is_enough_to_train(rows: int) -> None:
    matrix = np.linspace(0, 1, rows * 3).reshape(rows, 3).astype(np.float32)
    matches = np.arange(rows) >= rows / 2
    trained = PairScorer.train(FEATURES, matrix, matches, np.ones(rows), SETTINGS, 0)
    assert np.isfinite(trained.predict_matrix(matrix)).all()
    assert PairScorer.from_text(trained.to_text(), trained.features, 1).to_text() == trained.to_text()


def test_a_scorer_comes_back_from_text_as_it_was(scorer: PairScorer) -> None:
    again = PairScorer.from_text(scorer.to_text(), scorer.features, threads=1)
    matrix, _ = _pairs(seed=2)
    assert (again.predict_matrix(matrix) == scorer.predict_matrix(matrix)).all()


@pytest.mark.parametrize("share", [0.0, 0.03, 0.2, 0.5, 0.8])
def test_text_that_breaks_off_is_a_clear_error(scorer: PairScorer, share: float) -> None:
    text = scorer.to_text()
    with pytest.raises(ArtifactError, match=r"trees .* Train the model again"):
        PairScorer.from_text(text[: int(len(text) * share)], scorer.features, 1)


def test_text_with_other_features_is_a_clear_error(scorer: PairScorer) -> None:
    with pytest.raises(ArtifactError, match="has 3 features, its description 2"):
        PairScorer.from_text(scorer.to_text(), ("close", "far"), 1)


def test_text_that_is_no_model_is_a_clear_error() -> None:
    with pytest.raises(ArtifactError, match="Train the model again"):
        PairScorer.from_text("tree_sizes=0\nend of trees", ("close",), 1)
