from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.schema import Schema
from entity_matching.serving.errors import ServingError
from entity_matching.serving.match_request import EXAMPLES, MatchRequest, read_request
from entity_matching.serving.settings import ServingSettings

SCHEMA = Schema.from_yaml(
    """
key: {source: source_id, reference: entity_id}
attributes:
  company_name: {kind: name, source_column: firm}
  country: {kind: category, type: country}
  city: category
  staff: number
"""
)


def read(given: Any, **limits: Any) -> list[dict[str, Any]]:
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    return list(read_request(body, SCHEMA, ServingSettings(**limits)).table.to_pylist())


def refused(given: Any, **limits: Any) -> str:
    with pytest.raises(ServingError) as error:
        read(given, **limits)
    assert error.value.status == 400
    return str(error.value)


def test_a_record_is_read_by_the_attributes_names_or_the_sources_columns() -> None:
    by_name = read({"record": {"company_name": "BP", "country": "UK"}})
    assert by_name == read({"records": [{"firm": "BP", "country": "UK"}]})
    assert by_name[0]["firm"] == "BP"
    assert by_name[0]["city"] == ""


def test_numbers_become_the_text_a_file_would_have() -> None:
    rows = read({"records": [{"staff": 5}, {"staff": 5.0}, {"staff": 0.25}, {"firm": 7, "staff": None}]})
    assert [row["staff"] for row in rows] == ["5", "5", "0.25", ""]


def test_a_record_s_own_key_comes_back() -> None:
    body = json.dumps({"records": [{"firm": "A", "source_id": "S7"}, {"firm": "B"}]}).encode()
    assert read_request(body, SCHEMA, ServingSettings()).keys == ("S7", None)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"records": [{"firm": "A"}, {"nmae": "B"}]}, ("record 2", "'nmae'", "company_name, country, city, staff")),
        ({"records": [{"firm": "A"}, {"city": ["B"]}]}, ("record 2, 'city'", "a list")),
        ({"record": {"firm": {"a": 1}}}, ("record 1, 'firm'", "an object")),
        ({"record": {"firm": True}}, ("record 1, 'firm'", "true or false")),
        ({"record": {"firm": "\ud800"}}, ("record 1, 'firm'", "surrogate")),
        ({"records": [{}]}, ("record 1 is empty",)),
        ({"records": [{"firm": "A"}, {"firm": "", "city": None}]}, ("record 2 is empty",)),
        ({"records": [{"source_id": "S1"}]}, ("record 1 is empty",)),
        ({"records": [{"firm": "A", "company_name": "B"}]}, ("'firm'", "'company_name'", "Give it once")),
        ({"records": [1]}, ("record 1 is a number",)),
        ({"records": []}, ("'records' is empty",)),
        ({"records": "A"}, ("'records'",)),
        ({"records": [{"firm": "A"}], "record": {"firm": "A"}}, ("either 'record' or 'records'",)),
        ({}, ("either 'record' or 'records'",)),
        ([], ("a list",)),
        (None, ("null",)),
        ({"record": {"firm": "A"}, "limit": 3}, ("'limit'", "no such key")),
        ({"record": {"firm": "A"}, "candidates": 0}, ("'candidates'",)),
        ({"record": {"firm": "A"}, "candidates": "3"}, ("'candidates'",)),
        ({"record": {"firm": "A"}, "candidates": 51}, ("'candidates' is 51", "at most 50")),
        ({"record": {"firm": "A"}, "unknown_attributes": "drop"}, ("'unknown_attributes'",)),
        (b"", ("not JSON",)),
        (b'{"record": {"firm": NaN}}', ("NaN",)),
        (b'{"record": {"staff": 1e999}}', ("record 1, 'staff'", "too large")),
        (b'{"record": {"firm": "A", "firm": "B"}}', ("'firm' is there twice",)),
        (b'{"record": {"staff": %s}}' % (b"9" * 5000), ("too many digits",)),
        (b'{"record": {"firm": "\xff"}}', ("not UTF-8",)),
        (b"[" * 100_000, ("nested too deeply",)),
        (b'{"record":' + b'{"firm":' * 100_000 + b"1" + b"}" * 100_001, ("nested too deeply",)),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_told(given: Any, told: tuple[str, ...]) -> None:
    message = refused(given)
    for words in told:
        assert words in message


def test_there_may_be_only_so_many_records() -> None:
    records = [{"firm": "A"}] * 3
    assert len(read({"records": records}, match_records=3)) == 3
    assert "there are 3 records; one request may have 2" in refused({"records": records}, match_records=2)


def test_unknown_attributes_are_left_out_if_that_is_wanted() -> None:
    rows = read({"record": {"firm": "A", "venue": "X"}, "unknown_attributes": "ignore"})
    assert rows[0]["firm"] == "A"
    assert "venue" not in rows[0]


def test_null_bytes_are_characters() -> None:
    assert read({"record": {"firm": "A\u0000B"}})[0]["firm"] == "A\u0000B"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["record", "records", "firm", "city", "staff", "candidates"]) | st.text(), x)))  # fmt: skip
def test_any_json_is_read_or_refused(given: Any) -> None:
    for body in (given, {"record": given}, {"records": [given]}):
        try:
            assert read(body)
        except ServingError as error:
            assert error.status == 400


def test_the_examples_are_requests() -> None:
    schema = Schema.from_yaml("attributes: {company_name: name, country: {kind: category, type: country}, city: text}")
    for example in EXAMPLES.values():
        MatchRequest.model_validate(example["value"])
        assert read_request(json.dumps(example["value"]).encode(), schema, ServingSettings()).table.num_rows
