"""What ``POST /match`` answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, Field

EXAMPLE: dict[str, Any] = {
    "model_version": "3",
    "reference_version": "5f0c2a9be1d34476",
    "results": [
        {
            "source_key": "S17",
            "decision": "match",
            "entity_id": "C00042",
            "confidence": 0.991,
            "method": "scored",
            "reason": "company name agrees, some words cut or abbreviated; next best candidate far behind",
            "candidates": [
                {"entity_id": "C00042", "confidence": 0.991},
                {"entity_id": "C10310", "confidence": 0.004},
            ],
        }
    ],
}
"""An answer as the OpenAPI page shows it."""


class Candidate(BaseModel):
    """A record of the reference that a record may denote."""

    entity_id: str = Field(description="Its key.")
    confidence: float = Field(ge=0, le=1, description="Calibrated probability that it is the right one.")


class Match(BaseModel):
    """What is decided of one record."""

    source_key: str | None = Field(description="The record's own key, if it gave one.")
    decision: Literal["match", "review", "no_match"]
    entity_id: str | None = Field(
        description="Key of the reference record; for review the best candidate; null for no_match."
    )
    confidence: float = Field(ge=0, le=1, description="Calibrated probability that the best candidate is right.")
    method: Literal["identifier", "exact_name", "scored", "none"]
    reason: str = Field(description="Why, in words.")
    candidates: list[Candidate] = Field(description="The best first.")


class MatchAnswer(BaseModel):
    """Decisions, in the order of the records, and what they were made with."""

    model_config = {"json_schema_extra": {"examples": [EXAMPLE]}, "protected_namespaces": ()}

    model_version: str
    reference_version: str
    results: list[Match]


def results(table: pa.Table, keys: Sequence[str | None], candidates: int) -> list[dict[str, Any]]:
    """Return what the matcher decided, ready for JSON.

    :param table: what :meth:`Matcher.match` returned.
    :param keys: the records' own keys; they take the place of row numbers.
    :param candidates: so many are listed at most.
    """
    rows: list[dict[str, Any]] = table.to_pylist()
    for row, key in zip(rows, keys, strict=True):
        row["source_key"] = key
        row["candidates"] = row["candidates"][:candidates]
    return rows
