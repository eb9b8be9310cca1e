"""The plots of an evaluation, as SVG or PNG.

Drawn on figures of their own, without pyplot and so without state that others share. The colours are told
apart by the colour-blind (Okabe and Ito 2008), and lines by their dashes too.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from entity_matching.evaluate.metrics import Evaluation
    from entity_matching.evaluate.outcomes import Floats, Integers

Format = Literal["svg", "png"]

INK, MUTED, GRID = "#3d3d3d", "#767676", "#dcdcdc"
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
COLOURS = {"ink": INK, "muted": MUTED, "grid": GRID, "blue": BLUE, "orange": ORANGE, "green": GREEN}
"""Every colour used, by name, so that a page can put its own in their place."""

_SIZE = (5.4, 3.7)


def precision_recall_plot(evaluation: Evaluation, format: Format = "svg") -> bytes:
    """Draw precision against recall over the ranking by confidence, with the decisions taken and the best F1."""

    def draw(figure: Figure) -> None:
        axes = _axes(figure, "Recall", "Precision")
        curve = evaluation.curve
        if curve is None:
            return _nothing(axes)
        drawn = _thinned(curve.recall)
        axes.plot(curve.recall[drawn], curve.precision[drawn], color=BLUE, linewidth=1.8, label="ranking by confidence")
        axes.axhline(evaluation.target_precision, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)),
                     label=f"target precision {evaluation.target_precision:g}")  # fmt: skip
        if evaluation.best is not None:
            axes.plot(evaluation.best.recall, evaluation.best.precision, "o", markersize=7, color=GREEN,
                      markerfacecolor="none", markeredgewidth=1.6, label=f"best F1 {evaluation.best.f1:.3f}",
                      linestyle="none")  # fmt: skip
        recall, precision = evaluation.recall.value, evaluation.precision.value
        if recall is not None and precision is not None:
            axes.plot(recall, precision, "D", markersize=6.5, color=ORANGE, label="decisions taken", linestyle="none")
        lowest = min([*curve.precision[curve.recall > 0.05], evaluation.target_precision, precision or 1.0])
        axes.set_ylim(max(0.0, lowest - 0.05), 1.01)
        axes.set_xlim(0, 1.01)
        axes.legend(loc="lower left", frameon=False, labelcolor=INK, fontsize=8)
        return None

    return _render(draw, format)


def reliability_plot(evaluation: Evaluation, format: Format = "svg") -> bytes:
    """Draw the share of right candidates against confidence, with the number of records of each bin below."""

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        _dress(above, "", "Share right")
        _dress(below, "Confidence", "Records")
        if not evaluation.bins:
            return _nothing(above)
        confidence, right, records = (
            np.array([getattr(each, name) for each in evaluation.bins]) for name in ("confidence", "right", "records")
        )
        above.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label="as good as its word")
        low, high = _wilson(right, records)
        above.vlines(confidence, low, high, color=BLUE, linewidth=1.2)
        ece = evaluation.ece.value or 0.0
        above.plot(confidence, right, "o-", color=BLUE, markersize=4.5, linewidth=1.3,
                   label=f"bins of width 0.1, 95% interval; ECE {ece:.3f}")  # fmt: skip
        above.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02))
        _legend_above(above)
        lefts = np.minimum(np.floor(confidence * 10), 9) / 10
        below.bar(lefts + 0.05, records, width=0.092, color=BLUE, alpha=0.55)
        for left, count in zip(lefts, records, strict=True):
            below.annotate(f"{int(count):,}", (left + 0.05, count), (0, 1.5), textcoords="offset points", ha="center",
                           va="bottom", fontsize=7, color=MUTED)  # fmt: skip
        below.set_ylim(0, records.max() * 1.32)
        below.set_yticks([])
        return None

    return _render(draw, format)


def threshold_plot(evaluation: Evaluation, format: Format = "svg") -> bytes:
    """Draw precision, recall, F1 and the share accepted against the threshold, both thresholds marked."""

    def draw(figure: Figure) -> None:
        axes = _axes(figure, "Accept from this confidence on", "Share")
        curve = evaluation.curve
        if curve is None:
            return _nothing(axes)
        lines = (
            ("precision", curve.precision, ORANGE, "solid"),
            ("recall", curve.recall, BLUE, (0, (6, 2))),
            ("F1", curve.f1, GREEN, (0, (1, 1.2))),
            ("accepted automatically", curve.accepted, MUTED, (0, (6, 2, 1, 2))),
        )
        drawn = _thinned(curve.threshold)
        for label, values, colour, dashes in lines:
            axes.step(curve.threshold[drawn], values[drawn], where="post", color=colour, linewidth=1.6,
                      linestyle=dashes, label=label)  # fmt: skip
        axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
        marks = ((evaluation.match_threshold, "match"), (evaluation.review_threshold, "review"))
        for threshold, name in marks:
            if threshold is not None:
                axes.axvline(threshold, color=INK, linewidth=0.9)
                left = threshold > 0.5
                axes.annotate(f"{name} from {threshold:.2f}", (threshold, 0.02), (-4 if left else 4, 0), rotation=90,
                              textcoords="offset points", ha="right" if left else "left", va="bottom", fontsize=8,
                              color=INK)  # fmt: skip
        return _legend_above(axes)

    return _render(draw, format)


def confidence_plot(evaluation: Evaluation, format: Format = "svg") -> bytes:
    """Draw how many records have which confidence, by whether the best candidate is right."""

    def draw(figure: Figure) -> None:
        axes = _axes(figure, "Confidence of the best candidate", "Records (logarithmic)")
        outcomes = evaluation.outcomes
        if not outcomes.asserted.any():
            return _nothing(axes)
        groups = (
            ("right", outcomes.right, BLUE),
            ("wrong record", outcomes.has_truth & ~outcomes.right, ORANGE),
            ("no counterpart", ~outcomes.has_truth, MUTED),
        )
        edges = np.linspace(0, 1, 11)
        for place, (label, inside, colour) in enumerate(groups):
            shown = inside & outcomes.asserted
            counts, _ = np.histogram(outcomes.confidence[shown], bins=edges)
            left = edges[:-1] + 0.008 + 0.028 * place
            # From below 1, so that a single record is seen on a logarithmic axis.
            axes.bar(left, np.maximum(counts - 0.7, 0), width=0.026, bottom=0.7, align="edge", color=colour,
                     label=f"{label} ({int(shown.sum()):,})")  # fmt: skip
        axes.set_yscale("log")
        axes.set(xlim=(-0.01, 1.01), ylim=(0.7, None), xticks=edges[::2])
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        return _legend_above(axes)

    return _render(draw, format)


PLOTS: dict[str, Callable[[Evaluation, Format], bytes]] = {
    "Precision and recall": precision_recall_plot,
    "Threshold": threshold_plot,
    "Calibration": reliability_plot,
    "Confidence": confidence_plot,
}
"""Every plot, by its title."""


def _render(draw: Callable[[Figure], None], format: Format) -> bytes:
    import matplotlib  # noqa: PLC0415 - heavy
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "entity-matching", "font.size": 9}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        draw(figure)
        clear = format == "svg"  # a page shines through; a PNG is looked at by itself
        metadata = {"Date": None} if format == "svg" else None
        figure.savefig(buffer, format=format, dpi=150, transparent=clear, metadata=metadata)
    return buffer.getvalue()


def _axes(figure: Figure, x: str, y: str) -> Axes:
    axes = figure.subplots()
    _dress(axes, x, y)
    return axes


def _dress(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(which="both", color=MUTED, labelcolor=INK, labelsize=8)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)


def _legend_above(axes: Axes) -> None:
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, labelcolor=INK, fontsize=8,
                handlelength=2.2, columnspacing=1.4)  # fmt: skip


def _thinned(x: Floats, points: int = 600) -> Integers:
    """Return the points of a line to draw: all that a line so many points wide can show."""
    column = np.floor(x * points)
    new = np.append(True, np.diff(column) != 0)
    return np.flatnonzero(new | np.append(new[1:], True))


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "no labelled record to draw", ha="center", va="center", transform=axes.transAxes, color=MUTED)


def _wilson(share: Floats, records: Floats) -> tuple[Floats, Floats]:
    """Return the 95% interval of shares (Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * records)) / (1 + z * z / records)
    half = z * np.sqrt(share * (1 - share) / records + z * z / (4 * records**2)) / (1 + z * z / records)
    return middle - half, middle + half
