"""The last word of people on each record."""

from __future__ import annotations

from pathlib import Path

import pytest

from entity_matching.jobs.reviews import last_words
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse

pytestmark = pytest.mark.spark


def test_of_two_decisions_on_a_record_the_later_counts(tmp_path: Path) -> None:
    with open_lakehouse(LakehouseSettings(home=tmp_path)) as lake:
        lake.create()
        lake.execute("""INSERT INTO gold.review_decisions VALUES
            ('crm', '1', 'match', 'E1', 'ann', NULL, timestamp'2026-01-02 00:00:00'),
            ('crm', '1', 'no_match', NULL, 'bob', 'on second thought', timestamp'2026-01-03 00:00:00'),
            ('crm', '1', 'match', 'E2', 'cat', NULL, timestamp'2026-01-01 00:00:00'),
            ('erp', '1', 'match', 'E3', 'ann', NULL, timestamp'2026-01-01 00:00:00')""")
        rows = lake.sql(f"SELECT * FROM {last_words(lake)} r").collect()
    assert {(row.source_system, row.decision, row.decided_by) for row in rows} == {
        ("crm", "no_match", "bob"),
        ("erp", "match", "ann"),
    }
