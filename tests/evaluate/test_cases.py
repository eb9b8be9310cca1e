from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from entity_matching.errors import SchemaError
from entity_matching.evaluate.cases import LONGEST, Fault, Records, find_cases
from entity_matching.evaluate.outcomes import join_outcomes
from entity_matching.schema import Schema, Side

Make = Callable[..., pa.Table]
Small = tuple[pa.Table, pa.Table]

SCHEMA = Schema.from_yaml("""
key: {source: id, reference: company}
attributes:
  name: {kind: name, source_column: label, reference_column: title}
  country: {kind: category, type: country}
""")
SOURCE = pa.table({"id": list("abcdefgh"), "label": ["Alpha"] * 8, "country": ["DE"] * 8, "venue": ["X"] * 8})
REFERENCE = pa.table({"company": ["A", "B", "C", "E", "F", "G", "X", "Y"], "title": ["ALPHA"] * 6 + ["Xi", ""],
                      "country": ["DE"] * 6 + ["FR", None]})  # fmt: skip


@pytest.fixture
def records() -> tuple[Records, Records]:
    return Records(SOURCE, SCHEMA, Side.SOURCE), Records(REFERENCE, SCHEMA, Side.REFERENCE)


def test_errors_are_sorted_by_what_is_wrong(small: Small, records: tuple[Records, Records]) -> None:
    cases = find_cases(join_outcomes(*small), small[0], *records, limit=5)
    assert {fault: [case.source_key for case in shown] for fault, (_, shown) in cases.items()} == {
        Fault.WRONG_RECORD: ["c"],
        Fault.NO_COUNTERPART: ["d"],
        Fault.MISSED: ["g", "f"],  # refused with the least confidence first
    }


def test_a_cap_still_says_how_many_there_are(small: Small, records: tuple[Records, Records]) -> None:
    total, shown = find_cases(join_outcomes(*small), small[0], *records, limit=1)[Fault.MISSED]
    assert (total, len(shown)) == (2, 1)


def test_records_stand_side_by_side_and_what_differs_is_marked(small: Small, records: tuple[Records, Records]) -> None:
    (case,) = find_cases(join_outcomes(*small), small[0], *records, limit=5)[Fault.WRONG_RECORD][1]
    assert (case.chosen_key, case.right_key, case.rank, case.reason) == ("X", "C", 2, "the names agree")
    lines = {line.attribute: line for line in case.lines}
    assert list(lines) == ["name", "country", "venue"]
    assert (lines["name"].chosen.text, lines["name"].chosen.differs) == ("Xi", True)
    assert (lines["name"].right.text, lines["name"].right.differs) == ("ALPHA", False)  # but for the case
    assert lines["country"].chosen.differs and not lines["country"].right.differs
    assert not lines["venue"].chosen.differs  # the reference has no such column


def test_without_a_key_the_row_number_is_the_key() -> None:
    plain = Records(SOURCE, Schema.from_yaml("attributes: {label: name}"), Side.SOURCE)
    assert plain.values("3") == {"label": "Alpha", "id": "d", "country": "DE", "venue": "X"}
    assert plain.values("99") == {}


def test_a_huge_value_is_cut_and_says_so(small: Small) -> None:
    source = Records(SOURCE.set_column(1, "label", pa.array(["x" * 10_000_000] * 8)), SCHEMA, Side.SOURCE)
    reference = Records(REFERENCE, SCHEMA, Side.REFERENCE)
    (case,) = find_cases(join_outcomes(*small), small[0], source, reference, limit=5)[Fault.NO_COUNTERPART][1]
    assert case.lines[0].source.endswith("(9,999,600 more characters)")
    assert len(case.lines[0].source) < LONGEST + 50


def test_a_table_without_its_key_is_named() -> None:
    with pytest.raises(SchemaError, match="The reference table has no key column 'company'"):
        Records(SOURCE, SCHEMA, Side.REFERENCE)
