from __future__ import annotations

import logging
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.errors import SchemaError
from entity_matching.guess import default_schema, guess_schema
from entity_matching.schema import Attribute, Kind, Schema

COMPANIES = ["Siemens AG", "Société Générale S.A.", "Allianz SE", "Nestlé S.A.", "BP p.l.c.", "Toyota Motor Corp."]
LEIS = ["529900T8BM49AURSDO55", "549300IA8G5ML1T0ZB22", "5493006MHB84DD0ZWV18", "HWUPKR0MPOU8FGXBT394",
        "2138002P5RNKC5W2JZ46", "G5GSEF7VJP5I7OUK5573"]  # fmt: skip
TITLES = [
    "panasonic dect 6.0 expandable cordless phone kx-tg1032s",
    "denon blu-ray disc dvd player in black dvd-2930ci",
    "lg 24 semi integrated built in white dishwasher lds4821ww",
]


def _guess(source: dict[str, list[Any]], reference: dict[str, list[Any]]) -> Schema:
    return guess_schema(pa.table(source), pa.table(reference))


def _kinds(schema: Schema) -> dict[str, str]:
    return {a.name: f"{a.kind}:{a.type}" if a.type else str(a.kind) for a in schema.attributes}


def _attribute(schema: Schema, name: str) -> Attribute:
    return next(attribute for attribute in schema.attributes if attribute.name == name)


def test_companies_in_the_usual_columns_get_the_schema_that_comes_with_the_package() -> None:
    schema = _guess(
        {"source_id": ["1"], "company_name": ["Siemens"], "country": ["DE"], "exchange": ["X"]},
        {"company_id": ["1"], "company_name": ["Siemens"], "country": ["DE"], "ticker": ["SIE"]},
    )
    assert schema.entity == "company"
    assert _kinds(schema) == {
        "company_name": "name",
        "ticker": "identifier:ticker",
        "exchange": "category",
        "country": "category:country",
    }
    assert all(attribute in default_schema().attributes for attribute in schema.attributes)


def test_a_column_the_default_does_not_know_is_not_lost() -> None:
    schema = _guess(
        {"source_id": ["1"], "company_name": ["Siemens"], "duns": ["314"]},
        {"company_id": ["1"], "company_name": ["Siemens"], "duns": ["314"]},
    )
    assert "duns" in _kinds(schema)
    assert (schema.key.source, schema.key.reference) == ("source_id", "company_id")


def test_other_names_for_the_same_are_paired() -> None:
    schema = _guess(
        {
            "Account ID": ["a1", "a2", "a3", "a4", "a5", "a6"],
            "Account Name": COMPANIES,
            "Billing Country": ["Germany", "France", "Germany", "Switzerland", "UK", "Japan"],
            "Web Site": ["www.siemens.com", "socgen.fr", "allianz.com", "nestle.com", "bp.com", "toyota.co.jp"],
            "Created At": ["2020-01-01"] * 6,
        },
        {
            "entityId": ["1", "2", "3", "4", "5", "6"],
            "LegalName": COMPANIES,
            "country_of_incorporation": ["DE", "FR", "DE", "CH", "GB", "JP"],
            "homepage": ["siemens.com", "", "", "", "", ""],
            "LEI": LEIS,
        },
    )
    assert (schema.key.source, schema.key.reference) == ("Account ID", "entityId")
    assert _kinds(schema) == {
        "account_name": "name",
        "billing_country": "category:country",
        "web_site": "identifier:website",
        "LEI": "identifier:lei",
    }
    name = _attribute(schema, "account_name")
    assert (name.source_column, name.reference_column) == ("Account Name", "LegalName")


def test_german_columns_are_known_too() -> None:
    schema = _guess(
        {"Firma": COMPANIES, "Ort": ["München"] * 6, "Land": ["DE"] * 6},
        {"company": COMPANIES, "city": ["Munich"] * 6, "country": ["DE"] * 6},
    )
    assert _kinds(schema) == {"firma": "name", "ort": "category:place", "land": "category:country"}


def test_a_prefix_that_all_columns_share_tells_nothing() -> None:
    schema = _guess(
        {"left_title": TITLES, "left_price": ["1999.0", "$ 69.5", "-"], "left_modelno": ["kx-1", "dvd-2", "l3"]},
        {"right_title": TITLES, "right_price": ["5", "", ""], "right_modelno": ["kx1", "", ""]},
    )
    assert _kinds(schema) == {"title": "text", "price": "number", "modelno": "text"}


def test_values_overrule_a_name_they_do_not_bear_out() -> None:
    schema = _guess(
        {"name": TITLES, "isin": ["see note", "unknown to us", "ask Bob"], "year": ["spring", "summer", "autumn"]},
        {"name": TITLES, "isin": ["none yet", "to come", "tba"], "year": ["winter", "spring", "summer"]},
    )
    assert _kinds(schema) == {"name": "text", "isin": "text", "year": "text"}


def test_values_tell_the_kind_of_a_column_with_a_name_of_its_own() -> None:
    values: dict[str, list[Any]] = {
        "col_a": COMPANIES,
        "col_b": LEIS,
        "col_c": ["Germany", "France", "Germany", "Switzerland", "Italy", "Japan"],
        "col_d": ["18-May-15", "May 18, 2015", "2015-05-18", "1/2/2015", "3 March 2001", "2001-03-04"],
        "col_e": ["1.5", "$ 2.29", "3 %", "4,000", "5", "6"],
        "col_f": ["https://a.com/x", "www.b.de", "http://c.fr", "d.com", "e.org", "f.net"],
    }
    assert _kinds(_guess(values, values)) == {
        "col_a": "name",
        "col_b": "identifier:lei",
        "col_c": "category:country",
        "col_d": "date",
        "col_e": "number",
        "col_f": "identifier:website",
    }


def test_arrow_types_tell_the_kind() -> None:
    table: dict[str, list[Any]] = {"name": COMPANIES, "x": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5], "flag": [True, False] * 3}
    assert _kinds(_guess(table, table)) == {"name": "name", "x": "number", "flag": "category"}


def test_what_names_the_record_comes_first_and_no_name_stands_before_a_title() -> None:
    songs = {"Artist_Name": ["Zedd", "Zedd", "Skrillex"], "Song_Title": TITLES, "Released": ["18-May-15", "", ""]}
    assert list(_kinds(_guess(songs, songs)).items())[:2] == [("Artist_Name", "name"), ("Song_Title", "text")]
    songs = {"Artist_Name": ["Zedd", "Zedd", "Skrillex"], "Title": TITLES}
    papers = {"authors": ["jordan parker , jesse anton"] * 3, "title": TITLES}
    assert list(_kinds(_guess(papers, papers)).items()) == [("title", "text"), ("authors", "text")]


def test_one_column_is_the_name_and_the_row_number_the_key() -> None:
    schema = _guess({"whatever": COMPANIES}, {"legal_entity": COMPANIES})
    assert [(a.kind, a.source_column, a.reference_column) for a in schema.attributes] == [
        (Kind.NAME, "whatever", "legal_entity")
    ]
    assert (schema.key.source, schema.key.reference) == (None, None)


def test_one_column_beside_a_key_is_paired_with_the_name() -> None:
    schema = _guess(
        {"id": ["1", "2"], "text as received": ["siemens ag munich", "bp plc"]},
        {"id": ["1", "2"], "city": ["Munich", "London"], "company": ["Siemens", "BP"]},
    )
    assert [a.reference_column for a in schema.attributes] == ["company"]


def test_one_row_is_enough() -> None:
    schema = _guess({"id": ["1"], "name": ["Siemens"]}, {"id": ["1"], "name": ["Siemens"], "city": ["Munich"]})
    assert _kinds(schema) == {"name": "name"}


def test_an_empty_column_is_still_paired_by_its_name() -> None:
    table: dict[str, list[Any]] = {"id": ["1", "2"], "name": ["a", "b"], "isin": ["", ""], "country": [None, None]}
    assert _kinds(_guess(table, table)) == {"name": "name", "isin": "identifier:isin", "country": "category:country"}


def test_no_common_column_lists_both_and_says_how_to_write_a_schema() -> None:
    with pytest.raises(SchemaError) as caught:
        _guess({"id": ["1"], "height": ["2"], "width": ["3"]}, {"id": ["1"], "colour": ["red"], "weight": ["4"]})
    message = str(caught.value)
    assert "no column in common" in message
    assert "source: id, height, width." in message
    assert "reference: id, colour, weight." in message
    assert "source_column: 'height', reference_column: 'colour'" in message


def test_columns_of_bookkeeping_are_no_attributes() -> None:
    table = {"id": ["1"], "name": ["a"], "created_at": ["2020-01-01"], "batch": ["7"]}
    assert _kinds(_guess(table, table)) == {"name": "name"}


def test_the_name_of_the_parent_is_not_the_name() -> None:
    schema = _guess({"parent_name": ["x"], "name": ["y"]}, {"company_name": ["y"], "city": ["z"]})
    assert [(a.source_column, a.reference_column) for a in schema.attributes] == [("name", "company_name")]


def test_swapped_tables_are_hinted_at(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _guess(
            {"company_id": ["1"], "company_name": ["Siemens"]},
            {"source_id": ["1"], "company_name": ["Siemens"]},
        )
    assert "source and reference seem to be swapped" in caplog.text


def test_national_numbers_are_linked_to_the_country() -> None:
    table = {"name": ["a", "b"], "vat_number": ["DE136695976", "ATU13585627"], "country": ["DE", "AT"]}
    assert _attribute(_guess(table, table), "vat_number").country == "country"


def test_a_guess_is_a_schema_that_can_be_written_and_read() -> None:
    table = {"Account Name": COMPANIES, "isin": ["US0378331005"] * 6}
    schema = _guess(table, {"Name": COMPANIES, "isin": ["US0378331005"] * 6})
    assert Schema.from_yaml(schema.to_yaml()) == schema
