from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.evaluate import Evaluation, evaluate_matches
from entity_matching.evaluate.plots import PLOTS, Format

Make = Callable[..., pa.Table]
Plot = Callable[[Evaluation, Format], bytes]


def words(svg: bytes) -> str:
    return " ".join("".join(each.itertext()) for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))


@pytest.fixture
def evaluation(small: tuple[pa.Table, pa.Table]) -> Evaluation:
    return evaluate_matches(*small, draws=0)


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_a_plot_is_svg_or_png_and_always_the_same(plot: Plot, evaluation: Evaluation) -> None:
    svg = plot(evaluation, "svg")
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert svg == plot(evaluation, "svg")
    assert plot(evaluation, "png").startswith(b"\x89PNG")


def test_a_plot_says_what_it_shows(evaluation: Evaluation) -> None:
    texts = {name: words(plot(evaluation, "svg")) for name, plot in PLOTS.items()}
    assert "target precision 0.98" in texts["Precision and recall"]
    assert "decisions taken" in texts["Precision and recall"]
    assert "match from 0.85" in texts["Threshold"]
    assert "review from 0.60" in texts["Threshold"]
    assert "ECE 0.434" in texts["Calibration"]
    assert "right (4)" in texts["Confidence"]
    assert "no counterpart (1)" in texts["Confidence"]  # the other one has no candidate either


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_nothing_to_draw_is_said(plot: Plot, make_result: Make, make_labels: Make) -> None:
    nothing = evaluate_matches(make_result(("a", "no_match", 0.0, [])), make_labels(a=""), draws=0)
    assert "no labelled record to draw" in words(plot(nothing, "svg"))


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_many_records_make_no_larger_a_plot(plot: Plot, make_result: Make, make_labels: Make) -> None:
    generator = np.random.default_rng(0)
    confidence = generator.random(4_000)
    result = make_result(*((f"s{row}", "match", value, ["A"]) for row, value in enumerate(confidence.tolist())))
    labels = make_labels(
        **{f"s{row}": "A" if value > generator.random() else "B" for row, value in enumerate(confidence)}
    )
    assert len(plot(evaluate_matches(result, labels, draws=0), "svg")) < 150_000
