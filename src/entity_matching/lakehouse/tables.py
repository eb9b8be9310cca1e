"""Every table and view of the catalog."""

from __future__ import annotations

from entity_matching.lakehouse.layout import Column, Table, View

VERSION = 1
"""Version of the layout. It grows when a column is added; columns are never renamed or taken away."""

SCHEMAS = {
    "bronze": "What came, as it came",
    "silver": "What the stages of a run found",
    "gold": "Decisions, their history, and how the runs went",
    "models": "Trained models",
}
"""Schemas and what they hold."""

_DECISIONS = "('match', 'review', 'no_match')"
_SYSTEM = Column("source_system", "STRING", "System that the source record comes from", nullable=False)
_ID = Column("source_id", "STRING", "Key of the record in its system", nullable=False)
_RUN = Column("run_id", "STRING", "Run that wrote the row", nullable=False)
_HASH = Column("content_hash", "STRING", "SHA-256 of the attributes that matching reads", nullable=False)
_REFERENCE_VERSION = Column("reference_version", "STRING", "Fingerprint of the reference it was matched against")
_MODEL_VERSION = Column("model_version", "STRING", "Version of the model that decided")
_ATTRIBUTES = Column("attributes", "MAP<STRING, STRING>", "Every column as given, by its name", nullable=False)
_ROW_HASH = Column("row_hash", "STRING", "SHA-256 of all columns as given", nullable=False)
_CONFIDENCE = "Calibrated probability that the best candidate is right, 0 to 1"
_DECISION = Column("decision", "STRING", "match, review or no_match", nullable=False)
_ENTITY = Column("entity_id", "STRING", "Key of the reference record; of a review its best candidate; else null")
_METHOD = Column("method", "STRING", "identifier, exact_name, scored, none or review", nullable=False)
_REASON = Column("reason", "STRING", "Why, in words")
_CANDIDATES = "ARRAY<STRUCT<entity_id: STRING, confidence: DOUBLE>>"
_RECORD = ("source_system", "source_id")
_CONFIDENCE_CHECK = ("confidence_is_a_share", "confidence >= 0 AND confidence <= 1")

REFERENCE_ENTITIES = Table(
    "bronze", "reference_entities", "The master list, one row per entity",
    (
        Column("entity_id", "STRING", "Key of the entity", nullable=False),
        _ATTRIBUTES, _HASH, _ROW_HASH,
        Column("loaded_at", "TIMESTAMP", "When this content was loaded", nullable=False),
        _RUN,
    ),
    key=("entity_id",),
)  # fmt: skip
SOURCE_ENTITIES = Table(
    "bronze", "source_entities", "Source records, the latest content of each",
    (
        _SYSTEM, _ID, _ATTRIBUTES, _HASH, _ROW_HASH,
        Column("ingested_at", "TIMESTAMP", "When this content came", nullable=False),
        _RUN,
    ),
    key=_RECORD,
)  # fmt: skip
QUARANTINE = Table(
    "bronze", "quarantine", "Rows that could not be taken",
    (
        Column("row_id", "STRING", "SHA-256 of where the row stood and what it held", nullable=False),
        Column("side", "STRING", "source or reference", nullable=False),
        Column("source_system", "STRING", "System it comes from; null for the reference"),
        Column("raw", "STRING", "The row as JSON", nullable=False),
        Column("reason", "STRING", "Why it was not taken, and what would be right", nullable=False),
        Column("origin", "STRING", "File or table it stood in", nullable=False),
        Column("line", "BIGINT", "Row of the file, from 1 without the header; null where a table has no order"),
        Column("quarantined_at", "TIMESTAMP", "When it was put aside first", nullable=False),
        _RUN,
    ),
    key=("row_id",),
    checks=(("side_is_known", "side IN ('source', 'reference')"),),
)  # fmt: skip
LABELED_PAIRS = Table(
    "bronze", "labeled_pairs", "What people labelled and brought along, one row per source record",
    (
        _SYSTEM, _ID,
        Column("entity_id", "STRING", "The record it denotes; null: none of the reference"),
        Column("origin", "STRING", "File or table it came from", nullable=False),
        Column("labeled_at", "TIMESTAMP", "When it was loaded", nullable=False),
    ),
    key=_RECORD,
)  # fmt: skip
EXACT_MATCHES = Table(
    "silver", "exact_matches", "Stage 1 of each run: every record the run looks at, why, and what decided it",
    (
        _RUN, _SYSTEM, _ID, _HASH,
        Column("cause", "STRING", "Why it is looked at: new, changed, full, review, model, reference", nullable=False),
        Column("entity_id", "STRING", "The record an identifier or a name decided for; null: it is to be scored"),
        Column("confidence", "DOUBLE", _CONFIDENCE + "; null if it is to be scored"),
        Column("method", "STRING", "identifier or exact_name; null if it is to be scored"),
        _REASON,
        Column("conflict", "STRING", "Attribute that contradicted an exact match; null if none did"),
        _REFERENCE_VERSION, _MODEL_VERSION,
        Column("matched_at", "TIMESTAMP", "When", nullable=False),
    ),
    key=("run_id", *_RECORD),
)  # fmt: skip
SCORED_CANDIDATES = Table(
    "silver", "scored_candidates", "Stages 2 and 3 of each run: candidates of the records nothing exact decided",
    (
        _RUN, _SYSTEM, _ID, _HASH, _DECISION, _ENTITY,
        Column("confidence", "DOUBLE", _CONFIDENCE, nullable=False),
        _METHOD, _REASON,
        Column(
            "candidates",
            "ARRAY<STRUCT<entity_id: STRING, rank: INT, search_score: DOUBLE, feature_score: DOUBLE,"
            " ditto_score: DOUBLE, confidence: DOUBLE>>",
            "Candidates, best first: search score, the feature scorer's and Ditto's probability (null where Ditto was"
            " not asked) and the calibrated confidence, each 0 to 1",
            nullable=False,
        ),
        Column("asked", "INT", "Candidates that were scored", nullable=False),
        Column("asked_ditto", "INT", "Candidates that Ditto read", nullable=False),
        _REFERENCE_VERSION, _MODEL_VERSION,
        Column("scored_at", "TIMESTAMP", "When", nullable=False),
    ),
    key=("run_id", *_RECORD),
    checks=(("decision_is_known", f"decision IN {_DECISIONS}"), _CONFIDENCE_CHECK),
)  # fmt: skip
TRAINING_PAIRS = Table(
    "silver", "training_pairs", "What a model learns from",
    (
        Column("training_id", "STRING", "Training run", nullable=False),
        _SYSTEM, _ID,
        Column("entity_id", "STRING", "Reference record of the pair; empty: the record is in the reference nowhere",
               nullable=False),
        Column("is_match", "BOOLEAN", "Whether the two are the same", nullable=False),
        Column("provenance", "STRING", "review, label, identifier, exact_name or search", nullable=False),
        Column("split", "STRING", "train or evaluation; one entity is never in both", nullable=False),
        Column("created_at", "TIMESTAMP", "When", nullable=False),
    ),
    key=("training_id", *_RECORD, "entity_id"),
    checks=(("split_is_known", "split IN ('train', 'evaluation')"),),
)  # fmt: skip
MATCHED_ENTITIES = Table(
    "gold", "matched_entities", "The present decision on every source record, unmatched ones included",
    (
        _SYSTEM, _ID, _DECISION, _ENTITY,
        Column("confidence", "DOUBLE", _CONFIDENCE, nullable=False),
        _METHOD, _REASON,
        Column("candidates", _CANDIDATES, "Candidates considered, best first", nullable=False),
        Column("version", "INT", "How often the decision changed, from 1", nullable=False),
        _HASH,
        Column("reference_version", "STRING", "Fingerprint of the reference it was matched against, or of a later one"
               " whose changes do not concern it"),
        _MODEL_VERSION, _RUN,
        Column("matched_at", "TIMESTAMP", "When it was last decided", nullable=False),
    ),
    key=_RECORD,
    checks=(
        ("decision_is_known", f"decision IN {_DECISIONS}"),
        _CONFIDENCE_CHECK,
        ("match_names_an_entity", "decision != 'match' OR entity_id IS NOT NULL"),
    ),
)  # fmt: skip
MATCH_HISTORY = Table(
    "gold", "match_history", "Every change of a decision, with what it was before",
    (
        _SYSTEM, _ID,
        Column("version", "INT", "Number of the change, from 1", nullable=False),
        Column("cause", "STRING", "new, changed, full, review, model, reference or removed", nullable=False),
        Column("decision", "STRING", "match, review or no_match; removed: the source record is gone", nullable=False),
        _ENTITY,
        Column("confidence", "DOUBLE", _CONFIDENCE, nullable=False),
        _METHOD, _REASON, _REFERENCE_VERSION, _MODEL_VERSION,
        Column("previous_decision", "STRING", "The decision before; null if there was none"),
        Column("previous_entity_id", "STRING", "The entity before"),
        Column("previous_confidence", "DOUBLE", "The confidence before, 0 to 1"),
        Column("previous_model_version", "STRING", "Version of the model that had decided"),
        _RUN,
        Column("changed_at", "TIMESTAMP", "When", nullable=False),
    ),
    key=(*_RECORD, "version"),
)  # fmt: skip
REVIEW_DECISIONS = Table(
    "gold", "review_decisions", "What people decided; it overrides the model for good",
    (
        _SYSTEM, _ID,
        Column("decision", "STRING", "match or no_match", nullable=False),
        Column("entity_id", "STRING", "The record it denotes; null for no_match"),
        Column("decided_by", "STRING", "Who", nullable=False),
        Column("note", "STRING", "Why, if they said so"),
        Column("decided_at", "TIMESTAMP", "When", nullable=False),
    ),
    key=_RECORD,
    checks=(
        ("decision_is_known", "decision IN ('match', 'no_match')"),
        ("match_names_an_entity", "decision != 'match' OR entity_id IS NOT NULL"),
    ),
)  # fmt: skip
PIPELINE_RUNS = Table(
    "gold", "pipeline_runs", "Each run of a job: when, how it ended, with what",
    (
        _RUN,
        Column("job", "STRING", "The job's name", nullable=False),
        Column("status", "STRING", "running, done or failed; a run that was killed stays running", nullable=False),
        Column("message", "STRING", "Why it failed"),
        Column("parameters", "STRING", "What it was called with, as JSON", nullable=False),
        Column("started_at", "TIMESTAMP", "When", nullable=False),
        Column("finished_at", "TIMESTAMP", "When; null while it runs"),
    ),
    key=("run_id", "job"),
    checks=(("status_is_known", "status IN ('running', 'done', 'failed')"),),
)  # fmt: skip
PIPELINE_METRICS = Table(
    "gold", "pipeline_metrics", "Figures of each run, one per row",
    (
        _RUN,
        Column("stage", "STRING", "ingest, exact, score, write, run or train", nullable=False),
        Column("metric", "STRING", "What is measured, e.g. rows, seconds, null_share, psi", nullable=False),
        Column("label", "STRING", "Of what, e.g. a decision, an attribute, a bin; empty for the whole", nullable=False),
        Column("value", "DOUBLE", "The figure"),
        Column("measured_at", "TIMESTAMP", "When", nullable=False),
    ),
    key=("run_id", "stage", "metric", "label"),
)  # fmt: skip
MODEL_COMPARISONS = Table(
    "gold", "model_comparisons", "Decisions that another model would change, from each comparison of two versions",
    (
        _RUN, _SYSTEM, _ID, _HASH,
        Column("champion_version", "STRING", "Version of the model in force, or of the first of the two compared",
               nullable=False),
        Column("challenger_version", "STRING", "Version it is compared with", nullable=False),
        Column("champion_decision", "STRING", "What the first decides: match, review or no_match", nullable=False),
        Column("champion_entity_id", "STRING", "The entity it names; of a review its best candidate; else null"),
        Column("champion_confidence", "DOUBLE", _CONFIDENCE, nullable=False),
        Column("champion_method", "STRING", "identifier, exact_name, scored or none", nullable=False),
        Column("challenger_decision", "STRING", "What the other decides", nullable=False),
        Column("challenger_entity_id", "STRING", "The entity that names"),
        Column("challenger_confidence", "DOUBLE", _CONFIDENCE, nullable=False),
        Column("challenger_method", "STRING", "identifier, exact_name, scored or none", nullable=False),
        Column("challenger_reason", "STRING", "Why the other decides so, in words"),
        _REFERENCE_VERSION,
        Column("compared_at", "TIMESTAMP", "When", nullable=False),
    ),
    key=("run_id", *_RECORD),
)  # fmt: skip

TABLES = (
    REFERENCE_ENTITIES, SOURCE_ENTITIES, QUARANTINE, LABELED_PAIRS,
    EXACT_MATCHES, SCORED_CANDIDATES, TRAINING_PAIRS,
    MATCHED_ENTITIES, MATCH_HISTORY, REVIEW_DECISIONS, PIPELINE_RUNS, PIPELINE_METRICS,
    MODEL_COMPARISONS,
)  # fmt: skip
"""Every table, in the order in which they are made."""

REVIEW_QUEUE = View(
    "gold", "review_queue", "Decisions that wait for a person, the most doubtful first",
    """SELECT m.source_system, m.source_id, m.entity_id, m.confidence, m.reason, m.candidates, s.attributes,
  1 - 2 * abs(m.confidence - 0.5) AS doubt, m.model_version, m.matched_at
FROM gold.matched_entities m
JOIN bronze.source_entities s ON s.source_system = m.source_system AND s.source_id = m.source_id
LEFT ANTI JOIN gold.review_decisions r ON r.source_system = m.source_system AND r.source_id = m.source_id
  AND (m.method <> 'review' OR r.decided_at > m.matched_at)
WHERE m.decision = 'review'
ORDER BY doubt DESC, m.source_system, m.source_id""",
    (
        _SYSTEM, _ID, _ENTITY,
        Column("confidence", "DOUBLE", _CONFIDENCE),
        _REASON,
        Column("candidates", _CANDIDATES, "Candidates considered, best first"),
        _ATTRIBUTES,
        Column("doubt", "DOUBLE", "How close the confidence is to a half: 1 at 0.5, 0 at 0 and 1"),
        _MODEL_VERSION,
        Column("matched_at", "TIMESTAMP", "When it was last decided"),
    ),
)  # fmt: skip
DAILY_STATS = View(
    "gold", "daily_stats", "Decisions written per day",
    """SELECT date(measured_at) AS day,
  sum(CASE WHEN label = 'match' THEN value ELSE 0 END) AS matched,
  sum(CASE WHEN label = 'review' THEN value ELSE 0 END) AS for_review,
  sum(CASE WHEN label = 'no_match' THEN value ELSE 0 END) AS unmatched,
  sum(value) AS decided, count(DISTINCT run_id) AS runs
FROM gold.pipeline_metrics WHERE stage = 'write' AND metric = 'decisions'
GROUP BY date(measured_at) ORDER BY day DESC""",
    (
        Column("day", "DATE", "The day, in UTC"),
        Column("matched", "DOUBLE", "Records decided as match"),
        Column("for_review", "DOUBLE", "Records decided as review"),
        Column("unmatched", "DOUBLE", "Records decided as no_match"),
        Column("decided", "DOUBLE", "All of them"),
        Column("runs", "BIGINT", "Runs that decided"),
    ),
)  # fmt: skip

VIEWS = (REVIEW_QUEUE, DAILY_STATS)
"""Every view."""
