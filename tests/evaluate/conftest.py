"""Results and labels in one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

Row = tuple[str, str, float, Sequence[str]]
"""Source key, decision, confidence, candidates (best first)."""

MakeResult = Callable[..., pa.Table]
MakeLabels = Callable[..., pa.Table]

CANDIDATES = pa.list_(pa.struct([("entity_id", pa.string()), ("confidence", pa.float64())]))


@pytest.fixture
def make_result() -> MakeResult:
    def make(*rows: Row, method: str = "scored", reason: str = "the names agree") -> pa.Table:
        return pa.table(
            {
                "source_key": pa.array([row[0] for row in rows], pa.string()),
                "decision": pa.array([row[1] for row in rows], pa.string()),
                "entity_id": pa.array([row[3][0] if row[1] != "no_match" else None for row in rows], pa.string()),
                "confidence": pa.array([row[2] for row in rows], pa.float64()),
                "method": pa.array([method if row[3] else "none" for row in rows], pa.string()),
                "reason": pa.array([reason] * len(rows), pa.string()),
                "candidates": pa.array(
                    [
                        [{"entity_id": each, "confidence": row[2] / place} for place, each in enumerate(row[3], 1)]
                        for row in rows
                    ],
                    CANDIDATES,
                ),
            }
        )

    return make


@pytest.fixture
def make_labels() -> MakeLabels:
    def make(**truth: str | None) -> pa.Table:
        return pa.table(
            {
                "source_key": pa.array(list(truth), pa.string()),
                "reference_key": pa.array(list(truth.values()), pa.string()),
            }
        )

    return make


@pytest.fixture
def small(make_result: MakeResult, make_labels: MakeLabels) -> tuple[pa.Table, pa.Table]:
    """Eight records, six with a counterpart; small enough to count by hand.

    By falling confidence: a right, b right, c wrong (d right at 2), d no counterpart, e right, f right but
    refused, g the right one is not listed, h no counterpart and no candidate.
    """
    result = make_result(
        ("a", "match", 0.99, ["A", "B"]),
        ("b", "match", 0.95, ["B"]),
        ("c", "match", 0.90, ["X", "C", "Y"]),
        ("d", "match", 0.85, ["X"]),
        ("e", "review", 0.60, ["E", "X"]),
        ("f", "no_match", 0.10, ["F"]),
        ("g", "no_match", 0.05, ["X", "Y"]),
        ("h", "no_match", 0.00, []),
    )
    return result, make_labels(a="A", b="B", c="C", d="", e="E", f="F", g="G", h=None)
