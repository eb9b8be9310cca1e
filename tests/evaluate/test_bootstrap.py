from __future__ import annotations

import numpy as np
import pytest

from entity_matching.evaluate import bootstrap
from entity_matching.evaluate.bootstrap import Estimate, estimate, share
from entity_matching.evaluate.reliability import calibration_error, equal_width, reliability

EVERY = np.ones((1, 200))
"""The draw that holds each of 200 records once: a measure of it is the figure itself."""


@pytest.fixture
def records() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Confidence, right, has a counterpart, has a candidate, of 200 records."""
    generator = np.random.default_rng(1)
    asserted = generator.random(200) < 0.95
    confidence = np.where(asserted, np.round(generator.random(200), 1), 0.0)
    right = asserted & (generator.random(200) < confidence)
    return confidence, right, right | (generator.random(200) < 0.5), asserted


def test_an_interval_holds_its_value_and_narrows_with_more_records() -> None:
    widths = []
    for records in (100, 10_000):
        hits = np.arange(records) % 10 != 0
        found = estimate({"share": 0.9}, {"share": share(hits, hits | True)}, records, draws=300, seed=0)["share"]
        assert found.low is not None and found.high is not None
        assert found.low < 0.9 < found.high
        widths.append(found.high - found.low)
    # a tenth as wide; for a share of 0.9 of 100 about 2 * 1.96 * 0.03
    assert widths[0] == pytest.approx(0.1176, rel=0.25)
    assert widths[1] == pytest.approx(0.01176, rel=0.25)


def test_the_seed_decides(records: tuple[np.ndarray, ...]) -> None:
    right, everyone = records[1], np.ones(200, dtype=bool)
    runs = [
        estimate({"x": 0.5}, {"x": share(right, everyone)}, 200, draws=50, seed=seed)["x"].low for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_drawing_in_parts_gives_the_same(monkeypatch: pytest.MonkeyPatch, records: tuple[np.ndarray, ...]) -> None:
    right, everyone = records[1], np.ones(200, dtype=bool)
    runs = []
    for cells in (4_000_000, 1_000):
        monkeypatch.setattr(bootstrap, "CELLS", cells)
        runs.append(estimate({"x": 0.5}, {"x": share(right, everyone)}, 200, draws=60, seed=0)["x"])
    assert runs[0] == runs[1]


def test_no_draws_no_interval() -> None:
    hits = np.array([True, False])
    assert estimate({"x": 0.5}, {"x": share(hits, hits | True)}, 2, draws=0, seed=0)["x"] == Estimate(0.5)


def test_an_undefined_figure_stays_undefined() -> None:
    nothing = np.array([False, False])
    assert estimate({"x": None}, {"x": share(nothing, nothing)}, 2, draws=20, seed=0)["x"] == Estimate(None)


def test_draws_in_which_a_figure_is_undefined_are_left_out() -> None:
    # one record of five counts: a third of the draws miss it, and the others can only say 1
    whole = np.array([True, False, False, False, False])
    assert estimate({"x": 1.0}, {"x": share(whole, whole)}, 5, draws=200, seed=0)["x"] == Estimate(1.0, 1.0, 1.0)


def test_the_measure_of_recall_at_a_precision_is_that_of_a_plain_count(records: tuple[np.ndarray, ...]) -> None:
    confidence, right, truth, asserted = records
    plain = 0.0
    for threshold in np.unique(confidence[asserted]):
        taken = asserted & (confidence >= threshold)
        if right[taken].mean() >= 0.8:
            plain = max(plain, right[taken].sum() / truth.sum())
    assert 0 < plain < 1
    assert bootstrap.recall_at(0.8, confidence, right, truth, asserted)(EVERY) == pytest.approx([plain])


def test_the_measure_of_calibration_is_that_of_the_bins(records: tuple[np.ndarray, ...]) -> None:
    confidence, right, _, asserted = records
    assigned = equal_width(confidence)
    plain = calibration_error(reliability(confidence[asserted], right[asserted], assigned[asserted]))
    assert bootstrap.calibration(confidence, right, assigned, asserted)(EVERY) == pytest.approx([plain])


def test_measures_bear_a_sample_without_a_candidate() -> None:
    nothing, zeros = np.zeros(3, dtype=bool), np.zeros(3)
    draw = np.ones((1, 3))
    assert bootstrap.recall_at(0.9, zeros, nothing, ~nothing, nothing)(draw).tolist() == [0.0]
    assert np.isnan(bootstrap.calibration(zeros, nothing, zeros.astype(np.int64), nothing)(draw)).all()
