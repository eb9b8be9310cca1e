from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.jobs.affected import KEPT, Question, affected
from entity_matching.matcher.reference import Reference
from entity_matching.schema import Schema

SCHEMA = Schema.model_validate(
    {
        "entity": "company",
        "key": {"source": "id", "reference": "id"},
        "attributes": {"name": {"kind": "name"}, "city": {"kind": "category", "type": "place"}},
    }
)
OLD = {name: (f"{name} Savings Bank", "Bern") for name in ("Northern", "Southern", "Eastern", "Western")}
PRESENT = {**OLD, "Central": ("Central Savings Bank", "Bern"), "Western": ("Westmost Savings Bank", "Bern")}
LISTED = ["Northern", "Southern", "Eastern"]


def saved(folder: Path, rows: dict[str, tuple[str, str]]) -> str:
    names, cities = ([row[place] for row in rows.values()] for place in (0, 1))
    table = pa.table({"id": list(rows), "name": names, "city": cities})
    Reference.prepare(table, SCHEMA, SearchSettings(threads=1)).save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Question:
    """Return the question which records "Central", which is new, and "Western", which is renamed, concern."""
    folder = tmp_path_factory.mktemp("references")
    old, present = saved(folder / "old", OLD), saved(folder / "present", PRESENT)
    return Question(old, present, SCHEMA.model_dump_json(), nearest=3, batch_rows=1_000)


def record(key: str, name: str = "Zyxw Qqq", **given: Any) -> dict[str, Any]:
    return {
        "source_system": "crm",
        "source_id": key,
        "content_hash": "h",
        "attributes": [("name", name), ("city", "Bern"), ("not read", "x")],
        "method": "scored",
        "doubtful": False,
        "listed": LISTED,
        **given,
    }


def batches(records: Sequence[dict[str, Any]], size: int) -> list[pa.RecordBatch]:
    texts = [pa.field(name, pa.string()) for name in ("source_system", "source_id", "content_hash", "method")]
    attributes = pa.field("attributes", pa.map_(pa.string(), pa.string()))
    listed = pa.field("listed", pa.list_(pa.string()))
    schema = pa.schema([*texts, attributes, pa.field("doubtful", pa.bool_()), listed])
    parts: list[pa.RecordBatch] = pa.Table.from_pylist(list(records), schema).to_batches(max_chunksize=size)
    return parts


def found(question: Question, *records: dict[str, Any], size: int = 1_000) -> list[str]:
    """Return the ids of the records that are passed on."""
    given = affected(question, iter(batches(records, size)))
    return [key for batch in given for key in batch["source_id"].to_pylist()]


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        pytest.param({}, False, id="nothing to do with it"),
        pytest.param({"listed": ["Northern", "Western"]}, True, id="a candidate changed"),
        pytest.param({"doubtful": True}, True, id="it hangs by a thread"),
        pytest.param({"name": "Westmost Savings Bank"}, True, id="all of the name of what changed"),
        pytest.param({"name": "Western Savings Bank", "method": "exact_name"}, True, id="the name before the change"),
        pytest.param({"name": "Centrale Savings Bnak"}, True, id="nearer than the third candidate"),
        pytest.param({"name": "Centrale Savings Bnak", "method": "identifier"}, False, id="near, yet decided exactly"),
        pytest.param({"name": "Centrale Savings Bnak", "method": "review"}, True, id="near, as far as people go"),
        pytest.param({"name": "Savings", "listed": []}, True, id="no candidates so far, and something is found"),
        pytest.param({"listed": [], "method": "none"}, False, id="no candidates so far, and nothing is found"),
    ],
)
def test_records_that_a_change_of_the_reference_may_concern(
    question: Question, given: dict[str, Any], is_taken: bool
) -> None:
    assert found(question, record("one", **given)) == (["one"] if is_taken else [])


def test_records_come_out_as_they_went_in_whatever_the_batches(question: Question) -> None:
    rng = np.random.default_rng(5)
    names = ["Centrale Savings Bnak", "Zyxw Qqq", "Western Savings Bank", "Northern Savings Bank"]
    records = [record(str(number), names[pick]) for number, pick in enumerate(rng.integers(4, size=40))]
    records = [{**row, "attributes": row["attributes"][: 1 + number % 3]} for number, row in enumerate(records)]
    whole = found(question, *records)
    assert 0 < len(whole) < 40
    assert whole == sorted(whole, key=int)
    for rows, size in ((1, 1), (7, 3), (13, 40)):
        assert found(replace(question, batch_rows=rows), *records, size=size) == whole
    out = pa.Table.from_batches(affected(question, iter(batches(records, 9))))
    assert out.column_names == KEPT
    assert out.to_pylist() == [{name: records[int(key)][name] for name in KEPT} for key in whole]


def test_no_records_give_none(question: Question) -> None:
    assert found(question) == []
    assert list(affected(question, iter(()))) == []


def test_records_are_read_with_the_columns_their_system_has(question: Question) -> None:
    parted = replace(question, columns={"crm": ("name", "city"), "erp": ("city",), "empty": ()})
    near = [record(system, "Centrale Savings Bnak", source_system=system) for system in ("erp", "crm", "new", "empty")]
    assert found(parted, *near) == ["crm"]
    assert found(question, *near) == ["erp", "crm", "new", "empty"]
