from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.filling import put

from entity_matching.config import SearchSettings
from entity_matching.errors import SettingsError
from entity_matching.jobs.examined import Examined, note_columns_decided, note_drift, read_drift, read_examined
from entity_matching.jobs.job import Context
from entity_matching.jobs.pending import PendingSettings, pending
from entity_matching.jobs.references import reference_folder
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, REVIEW_DECISIONS, SOURCE_ENTITIES
from entity_matching.matcher.reference import Reference
from entity_matching.schema import Schema

pytestmark = pytest.mark.spark

SCHEMA = Schema.model_validate(
    {"entity": "company", "key": {"source": "id", "reference": "id"}, "attributes": {"name": {"kind": "name"}}}
)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
COLUMNS = {"crm": ("name",), "erp": ("name",)}
LISTED = [{"entity_id": key, "confidence": p} for key, p in (("Northern", 0.95), ("Southern", 0.2), ("Eastern", 0.1))]
TIED = [{"entity_id": "Northern", "confidence": 0.995}, {"entity_id": "Southern", "confidence": 0.99}]
STANDS = {"decision": "match", "confidence": 1.0, "method": "review", "candidates": TIED}
OF_OLD = {"reference_version": "old"}
CASES: dict[str, tuple[dict[str, Any] | None, str | None]] = {
    # what gold says of the record beside GOLD, and what it is looked at for where nothing is asked for
    "unknown": (None, "new"),
    "same": ({}, None),
    "edited": ({"content_hash": "old"}, "changed"),
    "edited and reviewed": ({"content_hash": "old", "method": "review"}, "changed"),
    "of another model": ({"model_version": "m0"}, None),
    "of a model that is not known": ({"model_version": None}, None),
    "reviewed": (STANDS, None),
    "no longer reviewed": (STANDS, "review"),
    "of no reference": ({"reference_version": None}, "reference"),
    "of a lost reference": ({"reference_version": "lost"}, "reference"),
    "of an old reference": (OF_OLD, None),
    "exact, of an old reference": ({**OF_OLD, "method": "identifier", "candidates": LISTED[:1]}, None),
    "whose candidate changed": ({**OF_OLD, "candidates": [*LISTED[:2], {"entity_id": "Western"}]}, "reference"),
    "of the name of the new": (OF_OLD, "reference"),
    "near the edge": ({**OF_OLD, "confidence": 0.74}, "reference"),
    "near the other edge": ({**OF_OLD, "confidence": 0.3, "decision": "no_match"}, "reference"),
    "far from the edge": ({**OF_OLD, "confidence": 0.05, "decision": "no_match"}, None),
    "with a runner-up": ({**OF_OLD, "confidence": 0.995, "candidates": TIED}, "reference"),
    "with a runner-up, of the present": ({"confidence": 0.995, "candidates": TIED}, None),
    "reviewed, with a runner-up": ({**STANDS, **OF_OLD}, None),
    "reviewed as one that is gone": ({**STANDS, **OF_OLD, "decision": "review", "confidence": 0.995}, "reference"),
    "for review": ({"decision": "review", "confidence": 0.7}, None),
}  # fmt: skip
GOLD = {
    "source_system": "crm", "decision": "match", "entity_id": "Northern", "confidence": 0.95, "method": "scored",
    "reason": "close", "candidates": LISTED, "version": 1, "content_hash": "hash", "reference_version": "present",
    "model_version": "m1", "run_id": "r0", "matched_at": NOW,
}  # fmt: skip
OLD = ("Northern", "Southern", "Eastern", "Western", *(f"Filling {number}" for number in range(8)))
RENAMED = {"Western": "Westmost Savings Bank"}


def source(name: str, system: str = "crm") -> dict[str, Any]:
    text = "Westmost Savings Bank" if name == "of the name of the new" else "Zyxw Qqq"
    row = {"source_system": system, "source_id": name, "content_hash": "hash", "row_hash": "hash", "run_id": "r0"}
    return {**row, "attributes": [("name", text)], "ingested_at": NOW}


def save(settings: LakehouseSettings, version: str, names: Mapping[str, str] | None = None, limit: int = 5) -> None:
    given = {key: (names or {}).get(key, f"{key} Savings Bank") for key in OLD}
    table = pa.table({"id": list(given), "name": list(given.values())})
    found = Reference.prepare(table, SCHEMA, SearchSettings(limit=limit, threads=1))
    found.save(reference_folder(settings, version))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lakehouse]:
    """Return a lakehouse with a record of each case, and the references "old" and "present"."""
    settings = LakehouseSettings(home=tmp_path_factory.mktemp("home"))
    with open_lakehouse(settings) as lake:
        lake.create()
        put(lake, SOURCE_ENTITIES, *map(source, CASES), source("unknown", "erp"), source("same", "erp"))
        gold = [{**GOLD, "source_id": name, **given} for name, (given, _) in CASES.items() if given is not None]
        put(lake, MATCHED_ENTITIES, *gold, {**GOLD, "source_system": "erp", "source_id": "same", "content_hash": "old"})
        reviewed = ("reviewed", "reviewed, with a runner-up", "reviewed as one that is gone", "edited and reviewed")
        made = {"source_system": "crm", "decision": "match", "entity_id": "X", "decided_by": "ann", "decided_at": NOW}
        put(lake, REVIEW_DECISIONS, *({**made, "source_id": name} for name in reviewed))
        # of another system, which is nothing to the one that is no longer reviewed
        put(lake, REVIEW_DECISIONS, {**made, "source_system": "erp", "source_id": "no longer reviewed"})
        save(settings, "old")
        save(settings, "present", RENAMED)
        yield lake


@pytest.fixture
def lake(filled: Lakehouse) -> Lakehouse:
    note_drift(filled.settings, {})
    note_columns_decided(filled.settings, COLUMNS)
    return filled


def causes(lake: Lakehouse, reference: str = "present", system: str = "crm", **given: Any) -> dict[str, str | None]:
    """Return the cause of each record that is pending."""
    asked = {"schema": SCHEMA, "columns": COLUMNS, **given}
    rows = pending(Context(lake, "r1"), "m1", reference, **asked).where(f"source_system = '{system}'")
    found = [(row["source_id"], row["cause"]) for row in rows.select("source_id", "cause").collect()]
    assert len(dict(found)) == len(found), "a record is there twice"
    return dict(found)


def expected(**others: str) -> dict[str, str]:
    """Return the causes of the table, and others in their place."""
    plain = {name: cause for name, (_, cause) in CASES.items()} | {
        key.replace("_", " "): value for key, value in others.items()
    }
    return {name: cause for name, cause in plain.items() if cause is not None}


def test_each_record_is_looked_at_for_its_cause_or_not_at_all(lake: Lakehouse) -> None:
    assert causes(lake) == expected()


def test_a_record_of_the_same_key_in_another_system_is_another(lake: Lakehouse) -> None:
    assert causes(lake, system="erp") == {"unknown": "new", "same": "changed"}


def test_with_rescore_what_another_model_decided_is_looked_at_too(lake: Lakehouse) -> None:
    assert causes(lake, rescore=True) == expected(of_another_model="model", of_a_model_that_is_not_known="model")


def test_with_full_every_record_is_and_those_that_changed_are_still_said_to_have(lake: Lakehouse) -> None:
    kept = ("new", "changed")
    wanted = {name: cause if cause in kept else "full" for name, (_, cause) in CASES.items()}
    assert causes(lake, full=True, rescore=True) == wanted


def test_what_is_pending_comes_with_what_matching_needs(lake: Lakehouse) -> None:
    rows = pending(Context(lake, "r1"), "m1", "present", schema=SCHEMA, columns=COLUMNS)
    assert rows.columns == ["source_system", "source_id", "content_hash", "attributes", "cause"]
    row = rows.where("source_id = 'of the name of the new'").toArrow().to_pylist()[0]
    assert (row["content_hash"], row["attributes"]) == ("hash", [("name", "Westmost Savings Bank")])
    assert read_examined(lake.settings, "r1") == Examined("present", COLUMNS)


@pytest.mark.parametrize(
    ("drift", "settings", "is_all"),
    [
        pytest.param({}, {}, False, id="one in twelve changed"),
        pytest.param({}, {"most_changed": 0.05}, True, id="more than the most"),
        pytest.param({}, {"most_changed": 0}, True, id="any change is too much"),
        pytest.param({"old": 0.1}, {}, False, id="not yet too much with what had changed before"),
        pytest.param({"old": 0.15}, {}, True, id="too much with what had changed before"),
    ],
)
def test_when_much_of_the_reference_has_changed_all_of_its_records_are_looked_at(
    lake: Lakehouse, drift: dict[str, float], settings: dict[str, Any], is_all: bool
) -> None:
    note_drift(lake.settings, drift)
    found = causes(lake, settings=PendingSettings(**settings))
    of_old = {name for name, (given, _) in CASES.items() if given and given.get("reference_version") == "old"}
    assert of_old.issubset(found) == is_all
    assert found.get("same") is None
    # what changed since adds up, until all have been looked at
    assert read_drift(lake.settings)["present"] == pytest.approx(0 if is_all else drift.get("old", 0) + 1 / 12)


def test_a_reference_that_cannot_be_compared_has_all_of_its_records_looked_at(
    lake: Lakehouse, caplog: pytest.LogCaptureFixture
) -> None:
    save(lake.settings, "other-search", RENAMED, limit=3)
    with caplog.at_level(logging.INFO):
        assert causes(lake, "other-search")["same"] == "reference"
    assert "no longer kept, or was made with other attributes or settings" in caplog.text
    damaged = reference_folder(lake.settings, "damaged")
    shutil.copytree(reference_folder(lake.settings, "old"), damaged)
    path = Path(damaged / "records.arrow")
    path.write_bytes(path.read_bytes()[:-100])
    lake.sql(f"UPDATE {lake.name(MATCHED_ENTITIES)} SET reference_version = 'damaged' WHERE source_id = 'same'")
    try:
        assert causes(lake) == expected(same="reference")
    finally:
        lake.sql(f"UPDATE {lake.name(MATCHED_ENTITIES)} SET reference_version = 'present' WHERE source_id = 'same'")


def test_a_reference_made_again_with_the_same_content_concerns_nobody(lake: Lakehouse) -> None:
    save(lake.settings, "copy", RENAMED)
    found = causes(lake, "copy")
    assert {name: cause for name, cause in found.items() if name in ("same", "near the edge")} == {
        "near the edge": "reference"
    }


@pytest.mark.parametrize(
    ("before", "now", "is_all"),
    [
        pytest.param(("name",), ("name",), False, id="the same"),
        pytest.param(("city", "name"), ("name", "city"), False, id="in another order"),
        pytest.param(("name",), ("name", "city"), True, id="one more"),
        pytest.param(("name", "city"), ("name",), True, id="one less"),
        pytest.param(None, ("name",), True, id="not known"),
    ],
)
def test_a_system_of_other_columns_has_all_of_its_records_looked_at_until_gold_has_them(
    lake: Lakehouse, before: tuple[str, ...] | None, now: tuple[str, ...], is_all: bool
) -> None:
    note_columns_decided(lake.settings, {"erp": ("name",), **({} if before is None else {"crm": before})})
    for _ in ("first", "again, after a kill"):
        found = causes(lake, columns={**COLUMNS, "crm": now})
        assert (found == {name: "new" if cause == "new" else "changed" for name, (_, cause) in CASES.items()}) == is_all
        assert causes(lake, system="erp", columns={**COLUMNS, "crm": now}) == {"unknown": "new", "same": "changed"}


@pytest.mark.parametrize(
    "wrong", [{"most_changed": 1.5}, {"doubt": -0.1}, {"nearest": 0}, {"batch_rows": 0}, {"doubt": float("nan")}]
)
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        PendingSettings(**wrong)
