from __future__ import annotations

import datetime
import json
import logging
import time
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.ditto import serialize as module
from entity_matching.ditto.serialize import Serializer, serialize, spoken_name
from entity_matching.ditto.words import Record, SpanType, words_of
from entity_matching.errors import ArtifactError, InputError, SchemaError
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.model_validate(
    {
        "attributes": {
            "company_name": {"kind": "name"},
            "about": {"kind": "text"},
            "country": {"kind": "category", "type": "country"},
            "city": {"kind": "category", "type": "place"},
            "sector": {"kind": "category"},
            "isin": {"kind": "identifier", "type": "isin"},
            "own_id": {"kind": "identifier", "type": "own"},
            "price": {"kind": "number"},
            "founded": {"kind": "date"},
        }
    }
)
NAMES = [attribute.name for attribute in SCHEMA.attributes]
RECORD = {
    "company_name": "Müller & Söhne AG",
    "about": "Makes 10.1 inch screens, model DSC-W55",
    "country": "Deutschland",
    "city": "Frankfurt am Main",
    "sector": "Real Estate",
    "isin": "US0378331005",
    "own_id": "ab 12",
    "price": "$1,129.50",
    "founded": "3 May 1998",
}


def table(*rows: dict[str, Any], side: Side = Side.REFERENCE, schema: Schema = SCHEMA) -> pa.Table:
    names = [attribute.name for attribute in schema.attributes]
    return normalize_table(pa.table({name: [row.get(name) for row in rows] for name in names}), schema, side)


def records(*rows: dict[str, Any], hidden: tuple[str, ...] = ()) -> list[Record]:
    return Serializer(SCHEMA).records(table(*rows), hidden)


def text(**values: Any) -> str:
    return serialize(records(values)[0])


def test_a_record_is_written_in_dittos_form() -> None:
    assert text(**RECORD) == (
        "COL company name VAL muller and sohne ag "
        "COL about VAL makes 10.1 inch screens model dscw55 "
        "COL country VAL germany "
        "COL city VAL frankfurt am main "
        "COL sector VAL real estate "
        "COL isin VAL us0378331005 "
        "COL own id VAL ab 12 "
        "COL price VAL 1129.5 "
        "COL founded VAL 1998-05-03"
    )


def test_both_sides_are_written_alike() -> None:
    for side in Side:
        found = Serializer(SCHEMA).records(table(RECORD, side=side))
        assert found == records(RECORD)


def test_what_a_record_does_not_say_is_left_out() -> None:
    assert text(company_name="Acme", country="", isin="n/a", price="-", founded=None) == "COL company name VAL acme"
    assert records({}) == [()]
    assert text() == ""


def test_what_could_not_be_read_is_given_as_it_was_written() -> None:
    assert text(isin="US0000000000") == "COL isin VAL us0000000000"
    assert text(price="from 5 to 6") == "COL price VAL from 5 to 6"
    assert text(founded="Long Ago") == "COL founded VAL long ago"
    assert text(country="Atlantis") == "COL country VAL atlantis"
    assert text(isin="\ue000") == "COL isin VAL ue000"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (129.95, "129.95"),
        (8.0, "8"),
        (-0.0, "0"),
        (-5.25, "-5.25"),
        (1e20, "1e+20"),
        (0.00001, "1e-05"),
        (2**53, str(2**53)),
    ],
)
def test_numbers_are_short(value: float, expected: str) -> None:
    assert text(price=value) == f"COL price VAL {expected}"


def test_a_number_of_single_precision_is_written_as_it_was() -> None:
    schema = Schema.model_validate({"attributes": {"price": {"kind": "number"}}})
    normalized = normalize_table(pa.table({"price": pa.array([129.95], pa.float32())}), schema, Side.SOURCE)
    assert serialize(Serializer(schema).records(normalized)[0]) == "COL price VAL 129.95"


def test_a_date_column_is_written_as_iso_date() -> None:
    assert text(founded=datetime.date(1998, 5, 3)) == "COL founded VAL 1998-05-03"


def test_words_know_what_they_are() -> None:
    found = {word.text: word.type for word in words_of(records(RECORD)[0])}
    assert found["ag"] is SpanType.FORM
    assert found["germany"] is SpanType.PLACE
    assert found["us0378331005"] is found["dscw55"] is SpanType.CODE
    assert found["1129.5"] is found["10.1"] is found["1998-05-03"] is SpanType.NUMBER
    assert found["muller"] is SpanType.PLAIN


def test_hidden_attributes_are_left_out() -> None:
    [record] = records(RECORD, hidden=("isin", "company_name"))
    assert [value.attribute for value in record] == [name for name in NAMES if name not in ("isin", "company_name")]


def test_hiding_everything_leaves_empty_records() -> None:
    assert records(RECORD, {}, hidden=tuple(NAMES)) == [(), ()]


def test_hiding_what_is_not_there_is_an_error_that_names_what_is() -> None:
    with pytest.raises(SchemaError, match="'isni' cannot be hidden.*company_name"):
        records(RECORD, hidden=("isni",))


def test_an_attribute_that_the_table_lacks_is_left_out() -> None:
    normalized = normalize_table(pa.table({"company_name": ["Acme"]}), SCHEMA, Side.SOURCE)
    assert serialize(Serializer(SCHEMA).records(normalized)[0]) == "COL company name VAL acme"
    only_key = pa.table({"__key": ["1", "2"]})
    assert Serializer(SCHEMA).records(only_key) == [(), ()]


def test_a_table_without_rows_has_no_records() -> None:
    assert Serializer(SCHEMA).records(table(RECORD).slice(0, 0)) == []


def test_places_of_the_reference_are_found_inside_names() -> None:
    reference = table({"company_name": "Stadtwerke Hamburg", "city": "Hamburg", "country": "Deutschland"})
    fitted = Serializer.fit(reference, SCHEMA)
    typed = {
        word.text: word.type
        for word in words_of(fitted.records(table({"company_name": "Hamburg Bank of Deutschland"}))[0])
    }
    assert typed["hamburg"] is typed["deutschland"] is SpanType.PLACE
    assert typed["bank"] is SpanType.PLAIN


def test_a_rarer_word_tells_more_and_an_unknown_one_no_less_than_a_rare_one() -> None:
    rows = [{"company_name": f"acme group {name}", "sector": "acme"} for name in ("north", "north", "south", "west")]
    fitted = Serializer.fit(table(*rows), SCHEMA)
    assert fitted.documents == 4
    assert 0 < fitted.idf("acme") == fitted.idf("group") < fitted.idf("north") < fitted.idf("south") <= 1
    assert fitted.idf("south") == fitted.idf("never seen")


def test_a_word_counts_once_per_record_in_whichever_attributes_it_stands() -> None:
    rows = [{"company_name": "acme acme", "about": "acme"}, {"about": "acme"}, {"company_name": "beta"}]
    assert dict(Serializer.fit(table(*rows), SCHEMA).counts) == {"acme": 2}


def test_equal_values_of_one_attribute_each_count() -> None:
    schema = Schema.model_validate({"attributes": {"name": {"kind": "name"}}})
    rows = [{"name": "Acme Steel"}] * 3 + [{"name": "Acme"}]
    assert dict(Serializer.fit(table(*rows, schema=schema), schema).counts) == {"acme": 4, "steel": 3}


def test_weights_of_an_empty_reference_are_all_the_same() -> None:
    fitted = Serializer.fit(table(RECORD).slice(0, 0), SCHEMA)
    assert fitted.idf("a") == fitted.idf("b") > 0


def test_a_cap_on_words_and_places_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "WORD_LIMIT", 1)
    monkeypatch.setattr(module, "PLACE_LIMIT", 1)
    rows = [{"company_name": "acme steel", "city": "Hamburg"}, {"company_name": "acme steel", "city": "Bremen"}]
    rows.append({"company_name": "acme"})
    with caplog.at_level(logging.INFO):
        fitted = Serializer.fit(table(*rows), SCHEMA)
    assert dict(fitted.counts) == {"acme": 3}
    assert fitted.places.learnt == ("hamburg",)
    assert len(caplog.messages) == 2


def test_saved_and_read_again_it_does_the_same() -> None:
    rows = [RECORD, RECORD | {"city": "Ulm Donau"}, {"company_name": "Ulm Donau Bank AG"}]
    fitted = Serializer.fit(table(*rows), SCHEMA)
    again = Serializer.from_dict(json.loads(json.dumps(fitted.to_dict())), fitted.to_table())
    assert again == fitted
    assert again.records(table(*rows)) == fitted.records(table(*rows))
    assert [again.idf(word) for word in ("ag", "ulm", "zeta")] == [fitted.idf(word) for word in ("ag", "ulm", "zeta")]


@pytest.mark.parametrize("damage", [{"documents": "many"}, {"schema": {}}, {"schema": None}, {}])
def test_damaged_words_are_an_error_that_says_what_to_do(damage: dict[str, Any]) -> None:
    fitted = Serializer.fit(table(RECORD), SCHEMA)
    data = fitted.to_dict() | damage if damage else {}
    with pytest.raises(ArtifactError, match="Train it again"):
        Serializer.from_dict(data, fitted.to_table())


def test_a_table_that_lacks_a_column_is_damaged() -> None:
    fitted = Serializer.fit(table(RECORD), SCHEMA)
    with pytest.raises(ArtifactError, match="count"):
        Serializer.from_dict(fitted.to_dict(), fitted.to_table().drop_columns(["count"]))


def test_a_huge_value_is_serialised_at_once() -> None:
    long = [" ".join(f"w{number}" for number in range(18_000)), "a1" * 50_000, "- " * 50_000, "COL VAL " * 12_000]
    rows = table(*({"company_name": value, "own_id": value, "sector": value} for value in long))
    start = time.perf_counter()
    found = Serializer.fit(rows, SCHEMA).records(rows)
    assert time.perf_counter() - start < 5
    assert len(found[0][0].words) == 18_000


# Reading a text


def parse(written: str) -> Record:
    return Serializer(SCHEMA).parse(written)


def test_a_text_is_read_back() -> None:
    assert parse(text(**RECORD)) == records(RECORD)[0]


def test_a_text_without_markers_is_a_name() -> None:
    assert parse("Deutsche Bank AG") == records({"company_name": "Deutsche Bank AG"})[0]


def test_a_text_without_markers_is_the_first_attribute_where_there_is_no_name() -> None:
    schema = Schema.model_validate({"attributes": {"price": {"kind": "number"}, "sold": {"kind": "date"}}})
    assert [value.attribute for value in Serializer(schema).parse("5")] == ["price"]


def test_capitals_accents_and_the_attributes_own_name_are_taken() -> None:
    assert serialize(parse("COL Company_Name VAL Müller AG")) == "COL company name VAL muller ag"


def test_attributes_come_out_in_the_schemas_order() -> None:
    assert serialize(parse("COL country VAL france COL company name VAL acme")) == (
        "COL company name VAL acme COL country VAL france"
    )


@pytest.mark.parametrize("written", ["", "   ", "COL country VAL", "COL country VAL COL isin VAL "])
def test_empty_values_are_left_out(written: str) -> None:
    assert parse(written) == ()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("acme COL country VAL france", "words stand before the first 'COL'"),
        ("VAL acme", "'VAL' stands before the first 'COL'"),
        ("COL country france", "expected one 'VAL' after 'COL', found 0 in 'country france'"),
        ("COL country", "expected one 'VAL'"),
        ("COL", "expected one 'VAL'"),
        ("COL COL country VAL x", "expected one 'VAL'"),
        ("COL country VAL a VAL b", "expected one 'VAL' after 'COL', found 2 in 'country VAL a VAL b'"),
        ("COL colour VAL red", "'colour' is unknown. Attributes are: company name, about, country"),
        ("COL country VAL a COL country VAL b", "'country' is there twice"),
    ],
)
def test_markers_out_of_place_are_an_error_that_says_where(written: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(written)
    assert message in str(caught.value)
    assert caught.value.remedy


def test_an_error_shows_the_start_of_a_huge_text_alone() -> None:
    with pytest.raises(InputError) as caught:
        parse("VAL " + "acme " * 20_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["company_name", "CompanyName", "Größe", "COL", "VAL COL", "a\nb", " ", "价格"])
def test_any_attribute_name_can_be_read_back(name: str) -> None:
    schema = Schema.model_validate({"attributes": [{"name": name, "kind": "name"}, {"name": "other", "kind": "text"}]})
    serializer = Serializer(schema)
    [record] = serializer.records(normalize_table(pa.table({name: ["Acme AG"]}), schema, Side.SOURCE))
    assert serializer.parse(serialize(record)) == record
    assert spoken_name(name) == spoken_name(name).lower()


WILD = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(["COL", "VAL", "col", "val", "COL country VAL france", "5.0", "AG", "&amp;", "\t"])).map(
        " ".join
    ),
)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, WILD)), min_size=1, max_size=3))
def test_whatever_values_hold_a_record_is_read_back_as_it_was(rows: list[dict[str, str]]) -> None:
    for row, record in zip(rows, records(*rows), strict=True):
        written = serialize(record)
        assert parse(written) == record
        assert written.split().count("COL") == written.split().count("VAL") == len(record) <= len(row)
        for word in words_of(record):
            assert word.text
            assert word.text == word.text.lower()
            assert word.text.split() == [word.text]


@given(WILD)
def test_any_text_is_read_or_refused_with_a_clear_error(written: str) -> None:
    try:
        record = parse(written)
    except InputError as error:
        assert error.remedy
    else:
        assert parse(serialize(record)) == record
