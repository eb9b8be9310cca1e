"""What people decided, the last word on each record."""

from __future__ import annotations

from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.tables import REVIEW_DECISIONS


def last_words(lake: Lakehouse) -> str:
    """Return a subquery of ``gold.review_decisions`` with one row per record, the last.

    People write the table, by whatever means; nothing in Delta keeps them from deciding on a record twice.
    """
    return (
        "(SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY source_system, source_id"
        " ORDER BY decided_at DESC, decided_by, decision, entity_id) AS place"
        f" FROM {lake.name(REVIEW_DECISIONS)}) WHERE place = 1)"
    )
