from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from entity_matching.config import CascadeSettings, ScorerSettings
from entity_matching.errors import SettingsError
from entity_matching.features import Block
from entity_matching.matcher.cascade import Asked, Cascade, deep_block
from entity_matching.matcher.scorer import PairScorer

NAN = float("nan")


def _rows(*values: int) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


class _Reader:
    """Stands in for the reader: a pair is its two row numbers."""

    def tokenized(self, sources: pa.Table, references: pa.Table, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> list[tuple[int, int]]:  # fmt: skip  # noqa: E501
        return list(zip(left.tolist(), right.tolist(), strict=True))


class _Model:
    """Stands in for Ditto: it is sure that only rows of the same number match, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def predict_tokens(self, pairs: Sequence[tuple[int, int]]) -> npt.NDArray[np.float64]:
        self.asked += pairs
        return np.array([6.0 if left == right else -6.0 for left, right in pairs])

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def test_the_margin_is_to_the_best_other_candidate_that_ditto_read() -> None:
    block = deep_block(_rows(0, 0, 0, 1, 2, 2), np.array([3.0, 1.0, NAN, 2.0, NAN, NAN]))
    assert block.column("ditto").tolist()[:2] == [3.0, 1.0]
    margin = block.column("ditto_margin").tolist()
    assert margin[:2] == [2.0, -2.0]
    assert np.isnan(margin[2:]).all()
    assert deep_block(_rows(), np.zeros(0)).rows == 0


def _cascade(model: _Model, settings: CascadeSettings) -> Cascade:
    """A blend taught that Ditto is right and the feature tells nothing."""
    rng = np.random.default_rng(0)
    record = np.repeat(np.arange(300), 2)
    matches = np.tile([True, False], 300)
    block = Block(600)
    block.add("letters", rng.random(600), 1, "letters")
    block.extend(deep_block(record, np.where(matches, 6.0, -6.0) + rng.normal(size=600)))
    scorer = PairScorer.train(
        block.features, block.matrix(), matches, np.ones(600), ScorerSettings(trees=40, threads=1), 0
    )
    return Cascade(_Reader(), model, scorer, settings)  # type: ignore[arg-type]


def _asked(raw: list[float]) -> tuple[Asked, Block]:
    block = Block(4)
    block.add("letters", np.full(4, 0.5), 1, "letters")
    nothing = pa.table({})
    return Asked(nothing, nothing, _rows(0, 0, 1, 1), _rows(0, 5, 7, 1), np.array(raw)), block


def test_only_candidates_of_which_the_features_are_unsure_are_read() -> None:
    model = _Model()
    _cascade(model, CascadeSettings(low=0.1, high=0.9)).judged(*_asked([0.5, 0.45, 0.95, 0.01]))
    assert model.asked == [(0, 0), (0, 5)]


def test_what_ditto_said_is_told_and_nothing_where_it_was_not_asked() -> None:
    odds, _ = _cascade(_Model(), CascadeSettings(low=0.1, high=0.9)).judged(*_asked([0.5, 0.45, 0.95, 0.01]))
    assert odds[:2].tolist() == [6.0, -6.0]
    assert np.isnan(odds[2:]).all()


def test_a_band_from_0_to_1_sends_all() -> None:
    model = _Model()
    _cascade(model, CascadeSettings(low=0.0, high=1.0)).judged(*_asked([0.0, 1.0, 0.5, 0.01]))
    assert len(model.asked) == 4


def test_what_ditto_says_turns_the_order() -> None:
    _, probability = _cascade(_Model(), CascadeSettings(low=0.0, high=1.0)).judged(*_asked([0.5, 0.5, 0.6, 0.4]))
    assert probability[0] > 0.9
    assert probability[1] < 0.1
    assert probability[3] > 0.9
    assert probability[2] < 0.1


def test_candidates_of_a_record_share_what_only_one_can_have() -> None:
    _, probability = _cascade(_Model(), CascadeSettings(low=0.0, high=1.0)).judged(*_asked([0.5, 0.5, 0.6, 0.4]))
    assert probability[:2].sum() <= 1 + 1e-9
    assert probability[2:].sum() <= 1 + 1e-9


def test_a_band_that_is_upside_down_is_refused() -> None:
    with pytest.raises(SettingsError, match="low"):
        CascadeSettings(low=0.9, high=0.1)
