from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from entity_matching.errors import EntityMatchingError, LabelsError
from entity_matching.jobs.ingest.labels import load_labels
from entity_matching.lakehouse.tables import LABELED_PAIRS

if TYPE_CHECKING:
    from tests.jobs.ingest.conftest import Desk

pytestmark = pytest.mark.spark


def stored(desk: Desk, system: str) -> dict[str, str | None]:
    rows = desk.lake.read(LABELED_PAIRS).collect()
    return {row["source_id"]: row["entity_id"] for row in rows if row["source_system"] == system}


def test_the_newer_label_counts(desk: Desk) -> None:
    file = desk.file("labels.csv", "source_key,reference_key\n1,C1\n2,\n3,C3\n")
    figures = load_labels(desk.context(), file, system="crm")
    assert figures == {"labels": 3, "without_entity": 1, "unknown_entities": 0}
    commits = desk.commits(LABELED_PAIRS)
    desk.file("labels.csv", "source_key,reference_key\n2,C2\n3,\n")
    load_labels(desk.context(), file, system="crm")
    assert stored(desk, "crm") == {"1": "C1", "2": "C2", "3": None}
    assert desk.commits(LABELED_PAIRS) == commits + 1


def test_a_column_may_say_the_system(desk: Desk) -> None:
    table = pa.table({"source_system": ["a", "b"], "source_key": ["1", "1"], "reference_key": ["C1", "C2"]})
    path = str(desk.folder / "labels")
    desk.lake.frame(table).write.format("delta").save(path)
    assert load_labels(desk.context(), path)["labels"] == 2
    assert (stored(desk, "a"), stored(desk, "b")) == ({"1": "C1"}, {"1": "C2"})


def test_the_only_system_there_is_serves_and_unknown_entities_are_counted(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    file = desk.file("more.csv", "source_key,reference_key\n1,C1\n2,C7\n")
    with pytest.raises(EntityMatchingError, match="does not say which system.*Stored are: none.*--source-system"):
        load_labels(desk.context(), file)
    desk.ingest(
        source=desk.file("only.csv", "id,name\n1,Acme\n"),
        reference=desk.file("m.csv", "company_id,name,country,isin,employees,founded\nC1,Acme,,,,\n"),
    )
    assert load_labels(desk.context(), file)["unknown_entities"] == 1
    assert "1 of 2 labels name an entity" in caplog.text
    assert stored(desk, "only") == {"1": "C1", "2": "C7"}


def test_labels_that_contradict_each_other_are_refused(desk: Desk) -> None:
    with pytest.raises(LabelsError, match="'1' is 'C1' in row 1 and 'C2' in row 2"):
        load_labels(
            desk.context(), desk.file("l.csv", "source_key,reference_key\n1,C1\n1,C2\n"), system="contradicting"
        )
    assert stored(desk, "contradicting") == {}
