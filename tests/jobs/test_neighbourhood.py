from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.jobs.changes import Changes
from entity_matching.jobs.neighbourhood import Neighbourhood
from entity_matching.matcher.reference import Reference
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.model_validate(
    {
        "entity": "company",
        "key": {"source": "id", "reference": "id"},
        "attributes": {"name": {"kind": "name"}, "lei": {"kind": "identifier", "type": "own"}},
    }
)
OLD = {
    "bank": ("Northern Savings Bank", ""),
    "trust": ("Northern Savings Trust", ""),
    "house": ("Northern Savings House", ""),
    "steel": ("Acme Steel Works", "L1"),
    "zinc": ("Zinc Mining", ""),
}
NEW = {**OLD, "union": ("Northern Savings Union", "L2"), "steel": ("Acme Iron Works", "L1")}
del NEW["zinc"]
Rows = dict[str, tuple[str, str]]


def table(rows: Rows, side: Side) -> pa.Table:
    columns = {"id": list(rows), "name": [name for name, _ in rows.values()], "lei": [lei for _, lei in rows.values()]}
    return normalize_table(pa.table(columns), SCHEMA, side).combine_chunks()


def sources(*rows: tuple[str, str]) -> pa.Table:
    return table({str(number): row for number, row in enumerate(rows)}, Side.SOURCE)


def between(old: Rows, present: Rows) -> Neighbourhood:
    columns = {
        "id": list(present),
        "name": [row[0] for row in present.values()],
        "lei": [row[1] for row in present.values()],
    }
    reference = Reference.prepare(pa.table(columns), SCHEMA, SearchSettings(threads=1))
    return Neighbourhood.of(reference, Changes.between(table(old, Side.REFERENCE), reference.table), SCHEMA)


def keys(*lists: list[str]) -> pa.ListArray:
    return pa.array(lists, pa.list_(pa.string()))


@pytest.fixture(scope="module")
def near() -> Neighbourhood:
    """Return a neighbourhood in which one record was added, one changed and one removed."""
    return between(OLD, NEW)


def test_a_record_is_touched_if_one_of_its_candidates_changed_or_went(near: Neighbourhood) -> None:
    listed = keys(["bank", "trust"], ["bank", "steel"], [], ["zinc"], ["union"])
    assert near.touches(listed).tolist() == [False, True, False, True, False]


def test_agreement_counts_with_what_is_new_and_with_what_is_gone(near: Neighbourhood) -> None:
    given = sources(
        ("Something Else", "L2"),  # the identifier of what was added
        ("Acme Steel Works", ""),  # the name before it changed
        ("Acme Iron Works", ""),  # the name since
        ("Zinc Mining", ""),  # the name of what went
        ("Northern Savings Bank", ""),
        ("Zyxw Qqq", ""),
    )
    assert near.agrees(given).tolist() == [True, True, True, True, False, False]


def test_what_is_new_comes_near_if_it_reaches_the_place_asked_for(near: Neighbourhood) -> None:
    given = sources(("Northern Savings Union", ""), ("Northern Savings Bank", ""))
    listed = keys(["bank", "trust", "house"], ["bank", "trust", "house"])
    assert near.comes_near(given, listed, 1).tolist() == [True, False]
    assert near.comes_near(given, listed, 3).tolist() == [True, True]


def test_a_record_with_fewer_candidates_is_near_to_whatever_is_found(near: Neighbourhood) -> None:
    given = sources(("Northern Savings Bank", ""), ("Zyxw Qqq", ""))
    assert near.comes_near(given, keys(["bank"], []), 3).tolist() == [True, False]


def test_candidates_that_are_gone_hold_no_place(near: Neighbourhood) -> None:
    given = sources(("Northern Savings Bank", ""), ("Northern Savings Bank", ""))
    listed = keys(["zinc", "bank", "trust"], ["house", "bank", "trust"])
    assert near.comes_near(given, listed, 3).tolist() == [True, True]
    assert near.comes_near(given, listed, 1).tolist() == [False, False]


def test_nothing_comes_near_when_records_only_went() -> None:
    near = between(OLD, {name: row for name, row in OLD.items() if name != "zinc"})
    assert near.index is None
    given = sources(("Zinc Mining", ""), ("Northern Savings Bank", ""))
    assert near.comes_near(given, keys([], []), 3).tolist() == [False, False]
    assert near.agrees(given).tolist() == [True, False]


def test_no_records_are_no_trouble(near: Neighbourhood) -> None:
    none = sources(("x", "")).slice(0, 0)
    for mask in (near.touches(keys()), near.agrees(none), near.comes_near(none, keys(), 3)):
        assert mask.dtype == np.bool_
        assert mask.shape == (0,)
