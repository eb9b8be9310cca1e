"""The normalised table as the rest of the project reads it."""

from __future__ import annotations

import datetime
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.errors import SchemaError
from entity_matching.normalize import normalize_table
from entity_matching.records import KEY, part
from entity_matching.schema import Schema, Side


def _schema(**attributes: Any) -> Schema:
    return Schema.model_validate({"attributes": attributes})


def _normalized(columns: dict[str, Any], schema: Schema, side: Side = Side.SOURCE) -> pa.Table:
    return normalize_table(pa.table(columns), schema, side)


def test_every_kind_gives_its_parts_and_no_nulls_where_strings_are_promised() -> None:
    schema = _schema(
        name="name",
        isin={"kind": "identifier", "type": "isin"},
        country={"kind": "category", "type": "country"},
        about="text",
        price="number",
        founded="date",
    )
    result = _normalized(
        {
            "name": ["YEXT INC.  DL 0,001", None],
            "isin": ["us0378331005", "US0378331006"],
            "country": ["Germany", None],
            "about": ["Sony DSC-W55", None],
            "price": ["$1,299.00", None],
            "founded": ["1999", "soon"],
        },
        schema,
    )
    assert result.column_names == [
        KEY,
        "name.raw",
        "name.text",
        "name.core",
        "name.form",
        "name.suffix",
        "isin.raw",
        "isin.value",
        "isin.invalid",
        "country.raw",
        "country.value",
        "about.raw",
        "about.text",
        "price.raw",
        "price.value",
        "founded.raw",
        "founded.value",
    ]
    first, second = result.to_pylist()
    assert first["name.raw"] == "YEXT INC.  DL 0,001"
    assert (first["name.core"], first["name.form"]) == ("yext", "inc")
    assert (second["name.raw"], second["name.core"]) == ("", "")
    assert (first["isin.value"], first["isin.invalid"]) == ("US0378331005", False)
    assert (second["isin.value"], second["isin.invalid"]) == ("", True)
    assert (first["country.value"], second["country.value"]) == ("DE", "")
    assert (first["about.text"], second["about.text"]) == ("sony dscw55", "")
    assert (first["price.value"], second["price.value"]) == (1299.0, None)
    assert (first["founded.value"], second["founded.value"]) == (datetime.date(1999, 1, 1), None)
    assert result.schema.field("price.value").type == pa.float64()
    assert result.schema.field("founded.value").type == pa.date32()


def test_without_a_key_the_row_number_is_the_key() -> None:
    assert _normalized({"name": ["a", "b"]}, _schema(name="name"))[KEY].to_pylist() == ["0", "1"]


def test_the_key_is_read_as_text_whatever_its_type() -> None:
    schema = Schema.model_validate({"key": {"reference": "id"}, "attributes": {"name": "name"}})
    table = {"id": pa.array([7.0, 8.5]), "name": ["a", "b"]}
    assert _normalized(table, schema, Side.REFERENCE)[KEY].to_pylist() == ["7", "8.5"]


def test_a_missing_key_column_is_an_error_that_lists_the_columns() -> None:
    schema = Schema.model_validate({"key": "id", "attributes": {"name": "name"}})
    with pytest.raises(SchemaError, match=r"no key column 'id'.*name, other"):
        _normalized({"name": ["a"], "other": ["b"]}, schema)


def test_a_column_that_is_there_twice_is_an_error() -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["name", "name"])
    with pytest.raises(SchemaError, match="2 columns named 'name'"):
        normalize_table(table, _schema(name="name"), Side.SOURCE)


def test_an_attribute_this_side_lacks_is_left_out() -> None:
    result = _normalized({"name": ["a"]}, _schema(name="name", city={"kind": "category", "type": "place"}))
    assert not [column for column in result.column_names if column.startswith("city")]


def test_each_side_reads_its_own_column() -> None:
    schema = _schema(name={"kind": "name", "source_column": "firm", "reference_column": "company"})
    columns = {"firm": ["one ag"], "company": ["two gmbh"]}
    assert _normalized(columns, schema, Side.SOURCE)["name.form"].to_pylist() == ["ag"]
    assert _normalized(columns, schema, Side.REFERENCE)["name.form"].to_pylist() == ["gmbh"]


def test_the_rows_country_tells_whose_register_number_it_is() -> None:
    schema = _schema(
        country={"kind": "category", "type": "country"},
        number={"kind": "identifier", "type": "registration", "country": "country"},
    )
    result = _normalized({"country": ["Norway", "France", None], "number": ["923609016"] * 3}, schema)
    assert result["number.value"].to_pylist() == ["NO923609016", "", "923609016"]
    assert result["number.invalid"].to_pylist() == [False, True, False]


def test_a_fixed_country_may_be_given_for_all_rows() -> None:
    schema = _schema(vat={"kind": "identifier", "type": "vat", "country": "DE"})
    assert _normalized({"vat": ["136695976"]}, schema)["vat.value"].to_pylist() == ["DE136695976"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([5.0, None, float("nan")]),
        pa.array([5, None, None], pa.int8()),
        pa.array([None, None, None], pa.null()),
        pa.array(["5", None, ""], pa.large_string()),
        pa.array(["5", None, ""], pa.string_view()),
        pa.array(["5", None, ""]).dictionary_encode(),
        pa.array([True, None, False]),
        pa.array([datetime.date(2020, 1, 2), None, None]),
        pa.array([datetime.datetime(2020, 1, 2, 3), None, None]),
        pa.array([[1], None, []]),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize(
    "spec", ["name", "text", "category", "number", "date", {"kind": "identifier", "type": "own"}], ids=str
)
def test_any_column_type_goes_with_any_kind(column: pa.Array, spec: Any) -> None:
    result = _normalized({"x": column}, _schema(x=spec))
    assert result.num_rows == 3
    assert result["x.raw"].null_count == 0
    assert result["x.raw"].type == pa.string()


def test_numbers_and_dates_that_have_a_type_are_taken_as_they_are() -> None:
    result = _normalized(
        {"n": pa.array([1.5, float("nan"), float("inf"), None]), "d": pa.array([datetime.datetime(2020, 1, 2, 3)] * 4)},
        _schema(n="number", d="date"),
    )
    assert result["n.value"].to_pylist() == [1.5, None, None, None]
    assert result["d.value"].to_pylist() == [datetime.date(2020, 1, 2)] * 4


def test_an_empty_table_gives_an_empty_table_with_all_columns() -> None:
    result = _normalized({"name": pa.array([], pa.string())}, _schema(name="name"))
    assert result.num_rows == 0
    assert result.num_columns == 6


def test_the_order_of_rows_is_kept_among_repeated_values() -> None:
    names = ["Beta AG", "Alpha GmbH", "Beta AG", "Alpha GmbH"]
    assert _normalized({"name": names}, _schema(name="name"))["name.core"].to_pylist() == [
        "beta",
        "alpha",
        "beta",
        "alpha",
    ]


def test_part_names_the_columns() -> None:
    assert part("name", "core") in _normalized({"name": ["x"]}, _schema(name="name")).column_names
