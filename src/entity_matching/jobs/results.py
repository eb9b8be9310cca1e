"""What a run makes of gold: its decisions, what people decided, and what is no longer there.

What a person decided on a record stands, whatever a model says. It is looked at anew each time: a decision made since
the last run takes effect even if the run did not look at the record, and one that names an entity which the reference
no longer has sends the record to review.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from entity_matching.jobs.examined import Examined, read_examined
from entity_matching.jobs.reviews import last_words
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.names import literal
from entity_matching.lakehouse.tables import (
    EXACT_MATCHES,
    MATCH_HISTORY,
    MATCHED_ENTITIES,
    PIPELINE_RUNS,
    REFERENCE_ENTITIES,
    SCORED_CANDIDATES,
    SOURCE_ENTITIES,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from entity_matching.jobs.job import Context

WRITER = "write-results"
"""Name of the job that writes these."""
FINDER = "exact-match"
"""Name of the job that finds the records that a run looks at."""

# Every record that the run looked at, with what its stages decided, whichever of them did, and what becomes of it:
# written, undecided (never scored), or outdated (it has changed since, it is gone, or a later run decided it).
_LOOKED_AT = """looked_at AS (
  SELECT e.source_system, e.source_id, e.content_hash, e.cause, e.reference_version, e.model_version,
    CASE WHEN e.entity_id IS NULL THEN s.decision ELSE 'match' END AS decision,
    CASE WHEN e.entity_id IS NULL THEN s.entity_id ELSE e.entity_id END AS entity_id,
    CASE WHEN e.entity_id IS NULL THEN s.confidence ELSE e.confidence END AS confidence,
    CASE WHEN e.entity_id IS NULL THEN s.method ELSE e.method END AS method,
    CASE WHEN e.entity_id IS NULL THEN s.reason ELSE e.reason END AS reason,
    CASE WHEN e.entity_id IS NULL
      THEN transform(s.candidates, c -> named_struct('entity_id', c.entity_id, 'confidence', c.confidence))
      ELSE array(named_struct('entity_id', e.entity_id, 'confidence', e.confidence)) END AS candidates,
    coalesce(s.scored_at, e.matched_at) AS matched_at,
    CASE WHEN b.source_id IS NULL OR g.matched_at > coalesce(s.scored_at, e.matched_at) THEN 'outdated'
      WHEN e.entity_id IS NULL AND s.source_id IS NULL THEN 'undecided' ELSE 'written' END AS fate
  FROM {exact} e
  LEFT JOIN {scored} s ON s.run_id = e.run_id AND s.source_system = e.source_system AND s.source_id = e.source_id
    AND s.content_hash = e.content_hash
  LEFT JOIN {sources} b ON b.source_system = e.source_system AND b.source_id = e.source_id
    AND b.content_hash = e.content_hash
  LEFT JOIN {gold} g ON g.source_system = e.source_system AND g.source_id = e.source_id
  WHERE e.run_id = {run}
)"""

# What people decided. stands: whether the reference has the entity they named.
_REVIEWS = """reviews AS (
  SELECT d.source_system, d.source_id, d.decision, d.entity_id,
    d.decision = 'no_match' OR r.entity_id IS NOT NULL AS stands,
    concat('decided by ', d.decided_by, ' on ', date_format(d.decided_at, 'yyyy-MM-dd HH:mm'), ' UTC',
      CASE WHEN d.decision = 'match' AND r.entity_id IS NULL
        THEN concat(' as ', d.entity_id, ', which is not in the reference') ELSE '' END,
      CASE WHEN coalesce(d.note, '') = '' THEN '' ELSE concat(': ', d.note) END) AS reason
  FROM {reviews} d LEFT JOIN {reference} r ON r.entity_id = d.entity_id
)"""

# The run's decisions, and the rows of gold that people decided and the run did not look at.
_BASE = """base AS (
  SELECT source_system, source_id, content_hash, cause, reference_version, model_version, decision, entity_id,
    confidence, method, reason, candidates, matched_at, true AS in_run
  FROM looked_at WHERE fate = 'written'
  UNION ALL
  SELECT g.source_system, g.source_id, g.content_hash, 'review',
    CASE WHEN l.fate IS NULL THEN {examined} ELSE g.reference_version END, g.model_version, g.decision, g.entity_id,
    g.confidence, g.method, g.reason, g.candidates, {now}, false
  FROM {gold} g
  LEFT SEMI JOIN reviews d ON d.source_system = g.source_system AND d.source_id = g.source_id
  LEFT SEMI JOIN {sources} b ON b.source_system = g.source_system AND b.source_id = g.source_id
  LEFT JOIN looked_at l ON l.source_system = g.source_system AND l.source_id = g.source_id
  WHERE l.fate IS NULL OR l.fate <> 'written'
)"""

# The same with what people decided in its place.
_JUDGED = """judged AS (
  SELECT b.source_system, b.source_id, b.content_hash, b.reference_version, b.model_version, b.candidates, b.in_run,
    b.cause,
    CASE WHEN NOT d.stands THEN {now} ELSE b.matched_at END AS matched_at,
    d.stands IS NOT NULL AS reviewed,
    CASE WHEN d.stands THEN d.decision WHEN NOT d.stands THEN 'review' ELSE b.decision END AS decision,
    CASE WHEN d.stands THEN CASE WHEN d.decision = 'match' THEN d.entity_id END
      WHEN NOT d.stands THEN get(b.candidates, 0).entity_id ELSE b.entity_id END AS entity_id,
    CASE WHEN d.stands THEN 1.0D WHEN NOT d.stands THEN coalesce(get(b.candidates, 0).confidence, 0.0D)
      ELSE b.confidence END AS confidence,
    CASE WHEN d.stands IS NULL THEN b.method ELSE 'review' END AS method,
    coalesce(d.reason, b.reason) AS reason
  FROM base b LEFT JOIN reviews d ON d.source_system = b.source_system AND d.source_id = b.source_id
)"""

# Versions of records that were there before, were removed and are back; what this run wrote itself does not count.
_BEFORE = """before AS (
  SELECT source_system, source_id, max(version) AS version FROM {history} WHERE run_id <> {run}
  GROUP BY source_system, source_id
)"""

# What is written, beside what gold has. changes: whether the decision or the entity becomes another one.
_COMPARED = """compared AS (
  SELECT j.source_system, j.source_id, j.decision, j.entity_id, j.confidence, j.method, j.reason, j.candidates,
    j.content_hash, j.reference_version, j.model_version, j.matched_at,
    CASE WHEN NOT j.in_run OR (j.reviewed AND g.method <> 'review') THEN 'review' ELSE j.cause END AS cause,
    coalesce(g.version, h.version, 0) AS version_before,
    g.source_id IS NULL OR g.decision <> j.decision OR NOT g.entity_id <=> j.entity_id AS changes,
    g.decision AS previous_decision, g.entity_id AS previous_entity_id, g.confidence AS previous_confidence,
    g.model_version AS previous_model_version
  FROM judged j
  LEFT JOIN {gold} g ON g.source_system = j.source_system AND g.source_id = j.source_id
  LEFT JOIN before h ON h.source_system = j.source_system AND h.source_id = j.source_id
  WHERE j.in_run OR g.decision <> j.decision OR NOT g.entity_id <=> j.entity_id OR g.confidence <> j.confidence
    OR g.method <> j.method OR NOT g.reason <=> j.reason
)"""

_PARTS = (_LOOKED_AT, _REVIEWS, _BASE, _JUDGED, _BEFORE, _COMPARED)

# Rows of gold whose source record is no longer there.
_GONE = """SELECT g.* FROM {gold} g
LEFT ANTI JOIN {sources} b ON b.source_system = g.source_system AND b.source_id = g.source_id"""

_CHANGES = """SELECT source_system, source_id, version_before + 1 AS version, cause, decision, entity_id, confidence,
  method, reason, reference_version, model_version, previous_decision, previous_entity_id, previous_confidence,
  previous_model_version, {run} AS run_id, {now} AS changed_at
FROM compared WHERE changes
UNION ALL
SELECT source_system, source_id, version + 1, 'removed', 'removed', CAST(NULL AS STRING), 0.0D, 'none',
  'the source no longer has the record', reference_version, model_version, decision, entity_id, confidence,
  model_version, {run}, {now}
FROM ({gone}) AS gone"""

_ROWS = """SELECT source_system, source_id, decision, entity_id, confidence, method, reason, candidates,
  version_before + CAST(changes AS INT) AS version, content_hash, reference_version, model_version, {run} AS run_id,
  matched_at
FROM compared"""

# Numbers of records, all in one query.
_COUNTED = """SELECT 'written' AS what, decision, cause, changes, count(*) AS records FROM compared
GROUP BY decision, cause, changes
UNION ALL SELECT fate, '', '', false, count(*) FROM looked_at WHERE fate <> 'written' GROUP BY fate
UNION ALL SELECT 'removed', '', '', false, count(*) FROM ({gone}) AS gone"""

# Rows of gold that the run, which looked for all that the reference concerns, had no reason to look at.
_UNCONCERNED = """SELECT g.* FROM {gold} g
LEFT SEMI JOIN {sources} b ON b.source_system = g.source_system AND b.source_id = g.source_id
LEFT ANTI JOIN looked_at l ON l.source_system = g.source_system AND l.source_id = g.source_id
LEFT ANTI JOIN compared c ON c.source_system = g.source_system AND c.source_id = g.source_id
WHERE NOT g.reference_version <=> {reference_version}"""

# Whether there may be any; quicker.
_OF_ANOTHER = "SELECT 1 FROM {gold} WHERE NOT reference_version <=> {reference_version} LIMIT 1"

# Rows of the history that gold does not bear out, of runs that did not come to their end.
_UNWRITTEN = """SELECT h.source_system, h.source_id, h.version FROM {history} h
LEFT ANTI JOIN {runs} r ON r.run_id = h.run_id AND r.job = {writer} AND r.status = 'done'
LEFT JOIN {gold} g ON g.source_system = h.source_system AND g.source_id = h.source_id
LEFT JOIN (
  SELECT source_system, source_id, max(version) AS version FROM {history} WHERE cause = 'removed'
  GROUP BY source_system, source_id
) AS gone ON gone.source_system = h.source_system AND gone.source_id = h.source_id
WHERE h.version > coalesce(g.version, gone.version, 0)"""


@dataclass
class Counts:
    """Numbers of records.

    ``decisions``: what is written, by decision; ``changes``: of these, what becomes something else, by cause;
    ``fates``: what the run looked at and does not write, by why; ``removed``: what leaves gold.
    """

    decisions: dict[str, int] = field(default_factory=lambda: {"match": 0, "review": 0, "no_match": 0})
    changes: dict[str, int] = field(default_factory=dict)
    fates: dict[str, int] = field(default_factory=lambda: {"undecided": 0, "outdated": 0})
    removed: int = 0


@dataclass(frozen=True)
class Results:
    """What a run makes of gold, as frames; nothing is computed before it is asked for."""

    context: Context

    @property
    def rows(self) -> DataFrame:
        """Rows of ``gold.matched_entities``."""
        return self._query(_ROWS, *_PARTS)

    @property
    def history(self) -> DataFrame:
        """Rows of ``gold.match_history``: changes of rows, and the last row of what is removed."""
        return self._query(_CHANGES, *_PARTS)

    @property
    def removed(self) -> DataFrame:
        """Rows of gold whose source record is no longer there."""
        return self._query(_GONE)

    @property
    def unwritten(self) -> DataFrame:
        """Keys of the history's rows that a run wrote which was killed before it wrote gold."""
        return self._query(_UNWRITTEN)

    @cached_property
    def examined(self) -> Examined | None:
        """What the run went by; ``None`` if it has not looked, to the end, for the records it concerns."""
        runs = self.context.lake.read(PIPELINE_RUNS)
        own = f"run_id = {literal(self.context.run_id)} AND job = {literal(FINDER)} AND status = 'done'"
        return None if runs.where(own).isEmpty() else read_examined(self.context.lake.settings, self.context.run_id)

    def unconcerned(self, reference_version: str) -> DataFrame | None:
        """Rows of gold of another reference that this one's changes do not concern, with the version of this one.

        :param reference_version: that for which the run looked for all the records it concerns.
        :returns: ``None`` if there are none.
        """
        from pyspark.sql import functions as F  # noqa: N812, PLC0415 - optional

        if not self._query(_OF_ANOTHER, reference_version=literal(reference_version)).collect():
            return None
        rows = self._query(_UNCONCERNED, *_PARTS, reference_version=literal(reference_version))
        if rows.isEmpty():
            return None
        return rows.withColumn("reference_version", F.lit(reference_version))

    def counts(self) -> Counts:
        """Count what the run does."""
        counts = Counts()
        for row in self._query(_COUNTED, *_PARTS).collect():
            if row["what"] == "removed":
                counts.removed += row["records"]
            elif row["what"] in ("undecided", "outdated"):
                counts.fates[row["what"]] = row["records"]
            else:
                counts.decisions[row["decision"]] += row["records"]
                if row["changes"]:
                    counts.changes[row["cause"]] = counts.changes.get(row["cause"], 0) + row["records"]
        return counts

    def _query(self, query: str, *parts: str, **values: str) -> DataFrame:
        text = f"WITH {', '.join(parts)} {query}" if parts else query
        return self.context.lake.sql(text.format(**self._names, **values))

    @cached_property
    def _names(self) -> dict[str, str]:
        tables: dict[str, Table] = {
            "exact": EXACT_MATCHES,
            "scored": SCORED_CANDIDATES,
            "sources": SOURCE_ENTITIES,
            "reference": REFERENCE_ENTITIES,
            "gold": MATCHED_ENTITIES,
            "history": MATCH_HISTORY,
            "runs": PIPELINE_RUNS,
        }
        names = {name: self.context.lake.name(table) for name, table in tables.items()}
        names["reviews"] = last_words(self.context.lake)
        now = f"timestamp'{self.context.clock():%Y-%m-%d %H:%M:%S.%f}+00:00'"
        values = {"run": literal(self.context.run_id), "writer": literal(WRITER), "now": now}
        examined = "g.reference_version" if self.examined is None else literal(self.examined.reference_version)
        return {**names, **values, "gone": _GONE.format(**names), "examined": examined}
