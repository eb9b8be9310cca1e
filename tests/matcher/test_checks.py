from __future__ import annotations

import logging
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.errors import EntityMatchingError, InputError, SchemaError
from entity_matching.matcher.checks import Given, check_tables
from entity_matching.schema import Schema

NAMES = Schema.from_yaml("{key: {source: sid, reference: rid}, attributes: {name: name}}")
SCHEMA = Schema.from_yaml(
    """
    key: {source: sid, reference: rid}
    attributes:
      name: {kind: name}
      exchange: {kind: category}
      ticker: {kind: identifier, type: ticker, exchange: exchange}
      isin: {kind: identifier, type: isin}
    """
)


def _check(source: dict[str, list[Any]], reference: dict[str, list[Any]], schema: Schema = NAMES) -> Schema:
    return check_tables(Given(pa.table(source), "s.csv"), Given(pa.table(reference), "r.csv"), schema)


def test_good_tables_leave_the_schema_as_it_is() -> None:
    source = {"sid": ["1", "2"], "name": ["a", "b"], "ticker": ["A", "B"], "exchange": ["X", ""]}
    assert _check(source, {"rid": [1], "name": ["a"], "ticker": ["A"], "isin": ["x"]}, SCHEMA) == SCHEMA


@pytest.mark.parametrize(
    ("source", "reference", "message"),
    [
        ({"sid": ["1"], "name": ["a"]}, {"rid": ["x", "y", "x"], "name": ["a", "b", "c"]},
         r"r\.csv, column 'rid': the key 'x' is there twice, in rows 1 and 3 \(1 keys of the reference"),
        ({"sid": [1, 1], "name": ["a", "b"]}, {"rid": ["x"], "name": ["a"]},
         r"s\.csv, column 'sid': the key '1' is there twice, in rows 1 and 2"),
        ({"sid": ["1", " "], "name": ["a", "b"]}, {"rid": ["x"], "name": ["a"]},
         r"s\.csv, row 2, column 'sid': the key is empty"),
        ({"sid": ["1"], "name": ["a"]}, {"rid": ["x", None], "name": ["a", "b"]},
         r"r\.csv, row 2, column 'rid': the key is empty"),
        ({"rid": ["1"], "name": ["a"]}, {"sid": ["x"], "name": ["a"]}, "source and reference seem to be swapped"),
    ],
)  # fmt: skip
def test_wrong_keys_name_file_row_and_column(source: dict[str, Any], reference: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _check(source, reference)
    assert caught.value.remedy


def test_a_column_the_schema_names_but_no_table_has_is_an_error() -> None:
    with pytest.raises(SchemaError, match=r"r\.csv: the schema names the column 'rid'.*Its columns are: id, name"):
        _check({"sid": ["1"], "name": ["a"]}, {"id": ["x"], "name": ["a"]})


def test_an_empty_column_is_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    source = {"sid": ["1"], "name": ["a"], "ticker": ["A"], "exchange": ["X"]}
    reference = {"rid": ["x"], "name": ["a"], "ticker": ["A"], "exchange": [" "], "isin": ["x"]}
    with caplog.at_level(logging.WARNING):
        schema = _check(source, reference, SCHEMA)
    assert [attribute.name for attribute in schema.attributes] == ["name", "ticker", "isin"]
    assert schema.attributes[1].exchange is None
    assert "r.csv: column 'exchange' is empty; the attribute 'exchange' is ignored." in caplog.text


def test_nothing_to_compare_names_the_columns_of_both() -> None:
    with pytest.raises(
        EntityMatchingError, match=r"s\.csv and r\.csv.*source: sid, name\..*reference: rid, name, isin"
    ):
        _check({"sid": ["1"], "name": [""]}, {"rid": ["x"], "name": ["a"], "isin": ["y"]})
