"""What the tables say of one run: counts by stage and decision, confidence, speed, and what waits for people."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from entity_matching.jobs.drift import CONFIDENCE_BINS, Counts
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import (
    EXACT_MATCHES,
    MATCH_HISTORY,
    MATCHED_ENTITIES,
    PIPELINE_METRICS,
    PIPELINE_RUNS,
    QUARANTINE,
    REVIEW_QUEUE,
    SCORED_CANDIDATES,
    SOURCE_ENTITIES,
)

AT_ONCE = 4
"""Questions that are asked of the tables at the same time."""
STAGES = ("exact-match", "score-candidates", "write-results")
"""Jobs whose seconds make the speed of a run."""
NONE = {"match": 0, "review": 0, "no_match": 0}
Rows = list[dict[str, Any]]
_ASKED = (
    *("exact", "scored", "confidence", "model_version", "seconds", "quarantined", "rejected_share", "written"),
    *("changes", "backlog", "totals"),
)
"""The figures that the tables are asked for; the others follow from them."""


@dataclass(frozen=True)
class RunFigures:
    """The tables of a lakehouse, as far as they speak of one run."""

    lake: Lakehouse
    run_id: str

    def ask(self) -> None:
        """Ask all questions, several at a time, so that what follows finds the answers instead of asking one by one."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: getattr(self, name), _ASKED))

    @cached_property
    def exact(self) -> Rows:
        """Records of the exact stage by ``cause``, ``method`` (null: it went on to scoring) and ``conflicting``."""
        return self._rows(
            "SELECT cause, method, conflict IS NOT NULL AS conflicting, count(*) AS records"
            f" FROM {self.lake.name(EXACT_MATCHES)} WHERE run_id = {self._id}"
            " GROUP BY cause, method, conflict IS NOT NULL"
        )

    @cached_property
    def scored(self) -> Rows:
        """Scored records by ``decision`` and ``method``, with the candidates ``asked`` and those ``asked_ditto``."""
        return self._rows(
            "SELECT decision, method, count(*) AS records, sum(asked) AS asked, sum(asked_ditto) AS asked_ditto"
            f" FROM {self.lake.name(SCORED_CANDIDATES)} WHERE run_id = {self._id} GROUP BY decision, method"
        )

    @cached_property
    def records(self) -> int:
        """Number of records that the run looked at."""
        return sum(row["records"] for row in self.exact)

    @cached_property
    def decisions(self) -> dict[str, int]:
        """Number of the run's records by what the stages decided."""
        decided = NONE | {"match": sum(row["records"] for row in self.exact if row["method"])}
        for row in self.scored:
            decided[row["decision"]] += row["records"]
        return decided

    @cached_property
    def confidence(self) -> Counts:
        """Number of the run's records by confidence, in bins of 0.05, shape (20,)."""
        decided = " UNION ALL ".join(
            f"SELECT confidence FROM {self.lake.name(table)} WHERE run_id = {self._id} AND confidence IS NOT NULL"
            for table in (EXACT_MATCHES, SCORED_CANDIDATES)
        )
        # the same bins as drift.confidence_counts
        bins = f"CAST(least(floor(confidence * {CONFIDENCE_BINS} + 1e-9), {CONFIDENCE_BINS - 1}) AS INT)"
        counts = np.zeros(CONFIDENCE_BINS, dtype=np.int64)
        for row in self._rows(
            f"SELECT bin, count(*) AS records FROM (SELECT {bins} AS bin FROM ({decided})) GROUP BY bin"
        ):
            counts[row["bin"]] = row["records"]
        return counts

    @cached_property
    def model_version(self) -> str | None:
        """Version of the model that most of the records were decided by; ``None`` if there are none."""
        found = self._rows(
            f"SELECT model_version, count(*) AS records FROM {self.lake.name(EXACT_MATCHES)}"
            f" WHERE run_id = {self._id} AND model_version IS NOT NULL"
            " GROUP BY model_version ORDER BY records DESC, model_version LIMIT 1"
        )
        return str(found[0]["model_version"]) if found else None

    @cached_property
    def seconds(self) -> dict[str, float]:
        """How long each job of the run took that is done."""
        rows = self._rows(
            f"SELECT job, started_at, finished_at FROM {self.lake.name(PIPELINE_RUNS)}"
            f" WHERE run_id = {self._id} AND status = 'done' ORDER BY started_at"
        )
        return {row["job"]: (row["finished_at"] - row["started_at"]).total_seconds() for row in rows}

    @cached_property
    def quarantined(self) -> int:
        """Number of rows that the run put aside and none before it had."""
        return self._count(f"{self.lake.name(QUARANTINE)} WHERE run_id = {self._id}")

    @cached_property
    def rejected_share(self) -> float:
        """Share of the rows the run was brought, source and reference, that were put aside, 0 to 1."""
        rows = self._rows(
            f"SELECT metric, sum(value) AS rows FROM {self.lake.name(PIPELINE_METRICS)} WHERE run_id = {self._id}"
            " AND stage = 'ingest' AND metric IN ('rows', 'rejected') AND label IN ('', 'reference') GROUP BY metric"
        )
        found = {row["metric"]: row["rows"] for row in rows}
        return float(found.get("rejected", 0.0) / found["rows"]) if found.get("rows") else 0.0

    @cached_property
    def written(self) -> dict[str, int]:
        """Number of the records whose present decision the run wrote, by decision.

        A later run takes records away from an earlier one; so what was measured before stands, if it is more.
        """
        rows = self._rows(
            f"SELECT decision, count(*) AS records FROM {self.lake.name(MATCHED_ENTITIES)}"
            f" WHERE run_id = {self._id} GROUP BY decision"
        )
        before = self._rows(
            f"SELECT label AS decision, value AS records FROM {self.lake.name(PIPELINE_METRICS)}"
            f" WHERE run_id = {self._id} AND stage = 'write' AND metric = 'decisions'"
        )
        now, then = (NONE | {row["decision"]: int(row["records"]) for row in found} for found in (rows, before))
        return max(now, then, key=lambda counts: sum(counts.values()))

    @cached_property
    def changes(self) -> dict[str, int]:
        """Number of decisions that the run changed, by the cause."""
        rows = self._rows(
            f"SELECT cause, count(*) AS records FROM {self.lake.name(MATCH_HISTORY)}"
            f" WHERE run_id = {self._id} GROUP BY cause"
        )
        return {row["cause"]: row["records"] for row in rows}

    @cached_property
    def backlog(self) -> int:
        """Number of decisions that wait for a person."""
        return self._count(self.lake.name(REVIEW_QUEUE))

    @cached_property
    def totals(self) -> dict[str, int]:
        """Number of all source records by their present decision."""
        rows = self._rows(
            f"SELECT decision, count(*) AS records FROM {self.lake.name(MATCHED_ENTITIES)} GROUP BY decision"
        )
        return NONE | {row["decision"]: row["records"] for row in rows}

    def sample(self, limit: int) -> str:
        """Return a statement that gives source records of the run, as stored, at most so many, as their hashes fall."""
        return (
            f"SELECT s.* FROM {self.lake.name(SOURCE_ENTITIES)} s LEFT SEMI JOIN"
            f" (SELECT source_system, source_id FROM {self.lake.name(EXACT_MATCHES)} WHERE run_id = {self._id}) e"
            " ON s.source_system = e.source_system AND s.source_id = e.source_id"
            f" ORDER BY s.content_hash, s.source_system, s.source_id LIMIT {limit}"
        )

    @property
    def _id(self) -> str:
        return literal(self.run_id)

    def _count(self, what: str) -> int:
        return int(self._rows(f"SELECT count(*) AS records FROM {what}")[0]["records"])

    def _rows(self, statement: str) -> Rows:
        return list(self.lake.sql(statement).toArrow().to_pylist())
