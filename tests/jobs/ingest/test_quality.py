from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entity_matching.errors import InputError, SettingsError
from entity_matching.jobs.ingest.expectations import load_expectations
from entity_matching.lakehouse.tables import PIPELINE_METRICS, SOURCE_ENTITIES
from entity_matching.schema import Schema, Side

if TYPE_CHECKING:
    from tests.jobs.ingest.conftest import Desk

pytestmark = pytest.mark.spark
ROWS = """id,name,isin,employees,founded,note
1,Acme,DE0007164600,12,1999-12-31,x
2,Acme,DE0007164601,many,31.12.1999,x
3,,de0007164600,n/a,soon,x
,Bo,,"1,200",,x
"""


def test_what_each_kind_can_tell_is_measured(desk: Desk) -> None:
    measured = desk.ingest(source=desk.file("quality.csv", ROWS), longest=3)["quality"]
    assert list(measured) == ["(key)", "name", "isin", "employees", "founded"]
    assert measured["(key)"] == {"rows": 4, "null_share": 0.25, "distinct": 3, "unique_share": 1}
    assert measured["name"] == {
        "rows": 4, "null_share": 0.25, "distinct": 2, "unique_share": 2 / 3,
        "length_min": 2, "length_mean": 10 / 3, "length_max": 4, "overlong_share": 2 / 3,
    }  # fmt: skip
    # one is not valid, two are the same however they are written
    isin = measured["isin"]
    assert (isin["null_share"], isin["valid_share"], isin["distinct"]) == (0.25, 2 / 3, 2)
    assert (measured["employees"]["null_share"], measured["employees"]["valid_share"]) == (0.25, 2 / 3)
    assert measured["founded"]["valid_share"] == 2 / 3
    stored = desk.metrics("quality")
    assert stored["valid_share", "isin"] == 2 / 3
    assert stored["column_type", '["source", "quality", "note", "string"]'] == 1


def test_of_the_reference_the_label_says_so(desk: Desk) -> None:
    desk.ingest(reference=desk.file("m.csv", "company_id,name,country,isin\nC1,Acme,DE,DE0007164601\n"))
    assert desk.metrics("quality")["valid_share", "reference.isin"] == 0


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("name: {max_null_share: 0.2}", r"'name': share of empty values expected at most 0.2, found 0.25 \(max_null"),
        ("isin: {min_valid_share: 0.9}", "'isin': share of valid values expected at least 0.9, found 0.666667"),
        ("isin: {min_unique_share: 0.9}", "share of different values expected at least 0.9, found 0.666667"),
        ("name: {max_length: 3}", "length of the longest value expected at most 3, found 4"),
        ("source: {(key): {max_null_share: 0}}", r"'\(key\)': share of empty values expected at most 0, found 0.25"),
        ("country: {max_null_share: 0.5}", "'country': share of empty values expected at most 0.5.* no such column"),
    ],
)
def test_rows_beyond_a_limit_stop_the_run_before_it_writes(desk: Desk, limits: str, message: str) -> None:
    commits = [desk.commits(table) for table in (SOURCE_ENTITIES, PIPELINE_METRICS)]
    file = desk.file("beyond.csv", ROWS)
    with pytest.raises(InputError, match=f"beyond.csv.*the source is not as expected: .*{message}"):
        desk.ingest(source=file, expectations=desk.file("limits.yml", limits))
    assert [desk.commits(table) for table in (SOURCE_ENTITIES, PIPELINE_METRICS)] == commits


def test_rows_within_the_limits_are_taken(desk: Desk) -> None:
    limits = """
source:
  name: {max_null_share: 0.25, max_length: 4, min_length: 2, min_distinct: 2}
  isin: {min_valid_share: 0.6}
reference:
  name: {max_null_share: 0}
"""
    file = desk.file("within.csv", ROWS)
    assert desk.ingest(source=file, expectations=desk.file("limits.yml", limits))["new"] == 3
    assert desk.ingest(source=desk.file("within.csv", ROWS[:36]), expectations=desk.file("l.yml", limits))["rows"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- name", "expected attributes with their limits, found list"),
        ("name: {max_nulls: 1}", "name.max_nulls: Extra inputs are not permitted.*Limits are: max_null_share"),
        ("name: {max_null_share: 2}", "name.max_null_share: .*less than or equal to 1"),
        ("nme: {max_null_share: 1}", r"there is no attribute 'nme'.*Attributes are: \(key\), name"),
        ("name: {", "cannot be read as YAML"),
    ],
)
def test_limits_that_make_no_sense_are_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "limits.yml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        load_expectations(tmp_path / "limits.yml", Schema.from_yaml("attributes: {name: {kind: name}}"))


def test_limits_hold_for_both_sides_unless_they_stand_under_one(tmp_path: Path) -> None:
    path = tmp_path / "limits.yml"
    schema = Schema.from_yaml("attributes: {name: {kind: name}}")
    path.write_text("name: {max_length: 9}", encoding="utf-8")
    assert all(load_expectations(path, schema)[side]["name"].max_length == 9 for side in Side)
    path.write_text("reference: {name: {max_length: 9}}", encoding="utf-8")
    assert load_expectations(path, schema)[Side.SOURCE] == {}
