from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.errors import InputError
from entity_matching.registry.entities import read_entities
from entity_matching.schema import Schema, Side

SCHEMA = Schema.from_yaml("""
key: {source: id, reference: company_id}
attributes:
  company_name: {kind: name, source_column: listing, reference_column: firm}
  country: {kind: category, type: country}
  staff: number
""")


def _read(*texts: Any, side: Side = Side.SOURCE) -> list[dict[str, str | None]]:
    rows: list[dict[str, str | None]] = read_entities(list(texts), SCHEMA, side, "left_entity").to_pylist()
    return rows


@pytest.mark.parametrize(
    "text",
    [
        '{"company_name": "Deutsche Bank AG", "country": "DE"}',
        '{"listing": "Deutsche Bank AG", "country": "DE", "staff": null}',
        ' {"firm": "Deutsche Bank AG", "country": "DE", "id": 7, "more": {"not": ["looked", "at"]}} ',
        "COL company_name VAL Deutsche Bank AG COL country VAL DE",
        "COL company name VAL Deutsche  Bank AG COL staff VAL COL country VAL DE",
    ],
)
def test_attributes_go_by_their_names_or_by_either_tables_columns(text: str) -> None:
    assert _read(text) == [{"listing": "Deutsche Bank AG", "country": "DE", "staff": None}]
    assert _read(text, side=Side.REFERENCE) == [{"firm": "Deutsche Bank AG", "country": "DE", "staff": None}]


def test_numbers_and_truth_values_are_read_as_text() -> None:
    assert _read('{"staff": 1204.5}', '{"staff": 90000}', '{"country": true}') == [
        {"listing": None, "country": None, "staff": "1204.5"},
        {"listing": None, "country": None, "staff": "90000"},
        {"listing": None, "country": "true", "staff": None},
    ]


def test_no_texts_are_no_records_with_all_columns() -> None:
    table = read_entities([], SCHEMA, Side.SOURCE, "left_entity")
    assert (table.num_rows, table.column_names) == (0, ["listing", "country", "staff"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected text, found nothing"),
        (float("nan"), "expected text, found nothing"),
        (5, "expected text, found int"),
        ("", "found an empty text"),
        ("   ", "found an empty text"),
        ("Deutsche Bank AG", "expected a JSON object or 'COL ... VAL ...', found 'Deutsche Bank AG'"),
        ("[1]", "expected a JSON object"),
        ('{"company_name": "A"', "the JSON object cannot be read"),
        ('{"company_name": NaN}', "NaN is no JSON value"),
        ('{"staff": 1' + "0" * 5000 + "}", "the JSON object cannot be read"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("{}", "says nothing of any attribute; it has nothing.*Attributes are: company_name, country, staff"),
        ('{"company_name": " ", "country": null}', "says nothing of any attribute; it has company_name, country"),
        ('{"nmae": "A"}', "says nothing of any attribute; it has nmae"),
        ('{"company_name": ["A"]}', "'company_name' is a list"),
        ('{"firm": {"A": 1}}', "'firm' is an object"),
        ('{"company_name": "A", "firm": "B"}', "'firm' is given twice"),
        ('{"country": "DE", "country": "FR"}', "'country' is given twice"),
        ('{"company_name": "A\\ud800"}', "no valid Unicode text"),
        ('{"A\\ud800": "A"}', "says nothing of any attribute"),
        ("COL company_name", "expected one 'VAL' after 'COL', found 0"),
        ("COL company_name VAL A VAL B", "expected one 'VAL' after 'COL', found 2"),
        ("COL nmae VAL A", "there is no attribute 'nmae'"),
        ("COL company_name VAL", "says nothing of any attribute"),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
)
def test_what_is_no_record_is_named_by_row_and_column(text: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"^row 2, column 'left_entity': .*{message}"):
        _read('{"country": "DE"}', text)


def test_a_long_text_is_not_repeated_in_full() -> None:
    with pytest.raises(InputError) as caught:
        _read("x" * 5_000)
    assert len(str(caught.value)) < 400


VALUES = st.none() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()


@given(st.dictionaries(st.sampled_from(["company_name", "country", "staff", "other"]), VALUES, min_size=1))
def test_any_json_object_is_read_or_refused_in_words(record: dict[str, Any]) -> None:
    try:
        row = _read(json.dumps(record))[0]
    except InputError:
        return
    given_name = record.get("company_name")
    if isinstance(given_name, str):
        assert row["listing"] == (given_name if given_name.strip() else None)
    else:
        assert row["listing"] in (None, repr(given_name), "true", "false")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for given_text in (text, f"COL company_name VAL {text}", f"COL {text} VAL A", "{" + text):
        try:
            assert len(_read(given_text)) == 1
        except InputError as error:
            assert "row 1" in str(error)
