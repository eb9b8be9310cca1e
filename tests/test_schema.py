"""The schema: how it is written, what it refuses and in which words, and how it fits tables."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from entity_matching.errors import SchemaError
from entity_matching.schema import CATEGORY_TYPES, IDENTIFIER_TYPES, Attribute, Key, Kind, Schema, Side

COMPANY = """
entity: company
key: {source: source_id, reference: company_id}
attributes:
  company_name: {kind: name}
  country: {kind: category, type: country}
  exchange: category
  isin: {kind: identifier, type: isin}
  ticker: {kind: identifier, type: ticker, exchange: exchange}
  vat: {kind: identifier, type: vat, country: country}
"""


def _error(text: str) -> SchemaError:
    with pytest.raises(SchemaError) as caught:
        Schema.from_yaml(text, origin="my.yml")
    return caught.value


# --- how it is written ---


def test_a_schema_is_read_in_the_order_it_is_written() -> None:
    schema = Schema.from_yaml(COMPANY)
    assert schema.entity == "company"
    assert [attribute.name for attribute in schema.attributes] == [
        "company_name", "country", "exchange", "isin", "ticker", "vat",
    ]  # fmt: skip
    assert schema.key.on(Side.SOURCE) == "source_id"
    assert schema.key.on(Side.REFERENCE) == "company_id"


def test_an_attribute_may_be_its_kind_alone() -> None:
    assert Schema.from_yaml("attributes: {a: name}") == Schema.from_yaml("attributes: {a: {kind: name}}")


def test_attributes_may_be_a_list() -> None:
    listed = Schema.from_yaml("attributes: [{name: a, kind: name}, {name: b, kind: category, type: place}]")
    assert listed == Schema.from_yaml("attributes: {a: name, b: {kind: category, type: place}}")


def test_one_key_serves_both_tables() -> None:
    schema = Schema.from_yaml("key: id\nattributes: {a: name}")
    assert schema.key == Key(source="id", reference="id")


def test_without_a_key_the_row_number_is_it() -> None:
    schema = Schema.from_yaml("attributes: {a: name}")
    assert schema.key.on(Side.SOURCE) is None
    assert schema.key.on(Side.REFERENCE) is None
    assert schema.entity == "record"


@pytest.mark.parametrize("resource", ["companies.yml"])
def test_a_schema_that_comes_with_the_project_is_valid(resource: str) -> None:
    text = resources.files("entity_matching").joinpath("schemas", resource).read_text(encoding="utf-8")
    assert Schema.from_yaml(text).of_kind(Kind.NAME)


def test_a_schema_cannot_be_changed_once_made() -> None:
    schema = Schema.from_yaml(COMPANY)
    with pytest.raises(ValidationError):
        schema.entity = "person"


# --- round trip ---

_names = st.text(min_size=1, max_size=12).filter(lambda name: name.isprintable())
_columns = st.none() | _names


@st.composite
def _attributes(draw: st.DrawFn, name: str) -> Attribute:
    kind = draw(st.sampled_from(list(Kind)))
    types = {Kind.IDENTIFIER: st.sampled_from(list(IDENTIFIER_TYPES)), Kind.CATEGORY: st.sampled_from(CATEGORY_TYPES)}
    is_identifier = kind is Kind.IDENTIFIER
    return Attribute(
        name=name,
        kind=kind,
        type=draw(types.get(kind, st.none())),
        column=draw(_columns),
        source_column=draw(_columns),
        reference_column=draw(_columns),
        strong=draw(st.none() | st.booleans()) if is_identifier else None,
        country=draw(st.sampled_from([None, "DE", "no"])) if is_identifier else None,
        search=draw(st.none() | st.booleans()),
    )


@st.composite
def _schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(_names, min_size=1, max_size=4, unique=True))
    key = Key(source=draw(_columns), reference=draw(_columns))
    return Schema(entity=draw(_names), key=key, attributes=tuple(draw(_attributes(name)) for name in names))


@given(_schemas())
def test_any_schema_comes_back_from_yaml_as_it_was(schema: Schema) -> None:
    assert Schema.from_yaml(schema.to_yaml()) == schema


def test_names_that_yaml_reads_as_other_things_are_quoted() -> None:
    schema = Schema.model_validate({"key": "1", "attributes": {"no": "name", "2020-01-01": "date", "null": "text"}})
    assert Schema.from_yaml(schema.to_yaml()) == schema


# --- what it refuses ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["my.yml", "'entity', 'key' and 'attributes'", "NoneType", "docs/model.md"]),
        ("- name", ["my.yml", "found list"]),
        ("entity: company", ["attributes: this key is required", "Add this key"]),
        ("attributes: {}", ["attributes: expected at least one attribute"]),
        ("attributes: 3", ["attributes: expected attributes by their names"]),
        ("attributes: [a]", ["attributes.0: expected keys with values"]),
        ("attribute: {a: name}\nattributes: {a: name}", ["attribute: there is no such key", "correct its spelling"]),
        ("attributes: {a: nam}", ["attributes.a.kind", "Kinds are: name, identifier, category, text, number, date"]),
        ("attributes: {b: text, a: }", ["attributes.a.kind", "Kinds are: name"]),
        ("attributes: {a: {column: x}}", ["attributes.a.kind: this key is required", "Add this key"]),
        ("attributes: {a: {kind: name, colum: x}}", ["attributes.a.colum: there is no such key", "spelling"]),
        ("attributes: {a: identifier}", ["attributes.a: an identifier needs a type: one of lei, isin"]),
        ("attributes: {a: {kind: identifier, type: isbn}}", ["attributes.a: type 'isbn'", "expected one of lei, isin"]),
        ("attributes: {a: {kind: category, type: sector}}", ["type 'sector'", "expected one of country, currency"]),
        ("attributes: {a: {kind: name, type: person}}", ["type 'person'", "kind 'name'", "expected no type at all"]),
        ("attributes: {a: {kind: text, strong: true}}", ["attributes.a", "'strong', 'country' and 'exchange' belong"]),
        ("attributes: {a: {kind: category, country: DE}}", ["attributes.a", "of kind 'identifier' only"]),
        (
            "attributes: {a: {kind: identifier, type: ticker, exchange: venue}}",
            ["'a' names the exchange attribute 'venue', which is not defined"],
        ),
        (
            "attributes: {a: {kind: identifier, type: vat, country: contry}}",
            ["'a' names the country 'contry'", "neither an attribute that is defined nor a code of two letters"],
        ),
        ("attributes: [{name: a, kind: name}, {name: a, kind: text}]", ["attribute 'a' is defined twice; remove one"]),
        ("attributes: {a: name, a: text}", ["not valid YAML", "the key 'a' is there twice", "line 1"]),
        ("attributes: {no: name}", ["attributes.False.name: expected text", "in quotes"]),
        ("attributes: {a: {kind: text, column: 3}}", ["attributes.a.column: expected text", "in quotes"]),
        ("attributes: {'': name}", ["expected at least one character"]),
        ("key: 5\nattributes: {a: name}", ["key: expected keys with values"]),
        ("key: {left: id}\nattributes: {a: name}", ["key.left: there is no such key"]),
        ("attributes: {a: [", ["my.yml is not valid YAML", "line 1", "Correct the line"]),
        ("entity: 2020-13-45", ["my.yml is not valid YAML", "month"]),
        ("[" * 5000, ["my.yml is nested too deeply"]),
        ("a\0b", ["my.yml is not valid YAML"]),
    ],
)
def test_a_wrong_schema_is_refused_with_its_key_and_the_remedy(text: str, words: list[str]) -> None:
    error = _error(text)
    assert all(word in str(error) for word in words), str(error)
    assert error.remedy


@given(st.text(max_size=60) | st.text(alphabet="attributes: {}[]kindame&*!<-\n\"'", max_size=60))
def test_any_text_is_a_schema_or_a_schema_error(text: str) -> None:
    try:
        schema = Schema.from_yaml(text)
    except SchemaError as error:
        assert error.message and error.remedy
    else:
        assert schema.attributes


# --- files ---


def test_a_schema_is_loaded_from_a_file_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "plain.yml").write_text(COMPANY, encoding="utf-8")
    (tmp_path / "marked.yml").write_text(COMPANY, encoding="utf-8-sig")
    assert Schema.load(tmp_path / "plain.yml") == Schema.load(str(tmp_path / "marked.yml")) == Schema.from_yaml(COMPANY)


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yml"
    path.write_text("attributes: {a: nam}")
    with pytest.raises(SchemaError, match=r"wrong\.yml: attributes\.a\.kind"):
        Schema.load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"no schema file .*none\.yml\. Check the path"):
        Schema.load(tmp_path / "none.yml")


def test_a_folder_is_no_schema(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"cannot be read: .* Check that it is a file"):
        Schema.load(tmp_path)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yml"
    path.write_bytes("entity: société\nattributes: {a: name}".encode("latin-1"))
    with pytest.raises(SchemaError, match=r"latin\.yml is not UTF-8: .* Save it as UTF-8"):
        Schema.load(path)


# --- attributes ---


@pytest.mark.parametrize(("kind", "strong"), IDENTIFIER_TYPES.items())
def test_an_identifiers_type_tells_whether_it_decides_by_itself(kind: str, strong: bool) -> None:
    assert Attribute(name="a", kind=Kind.IDENTIFIER, type=kind).is_strong is strong
    assert Attribute(name="a", kind=Kind.IDENTIFIER, type=kind, strong=not strong).is_strong is not strong


def test_a_name_never_decides_as_an_identifier() -> None:
    assert not Attribute(name="a", kind=Kind.NAME).is_strong


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.IDENTIFIER])
def test_names_and_texts_are_searched_unless_the_schema_says_otherwise(kind: Kind) -> None:
    assert Attribute(name="a", kind=kind).is_searched is (kind in (Kind.NAME, Kind.TEXT))
    assert Attribute(name="a", kind=kind, search=True).is_searched
    assert not Attribute(name="a", kind=kind, search=False).is_searched


def test_the_column_is_the_most_particular_one_given() -> None:
    plain = Attribute(name="a", kind=Kind.NAME)
    both = Attribute(name="a", kind=Kind.NAME, column="b")
    one = Attribute(name="a", kind=Kind.NAME, column="b", source_column="c")
    assert [plain.column_on(side) for side in Side] == ["a", "a"]
    assert [both.column_on(side) for side in Side] == ["b", "b"]
    assert [one.column_on(Side.SOURCE), one.column_on(Side.REFERENCE)] == ["c", "b"]


def test_attributes_are_found_by_kind_in_the_schemas_order() -> None:
    schema = Schema.from_yaml(COMPANY)
    assert [attribute.name for attribute in schema.of_kind(Kind.CATEGORY, Kind.NAME)] == [
        "company_name",
        "country",
        "exchange",
    ]
    assert schema.of_kind(Kind.DATE) == ()


# --- how it fits tables ---

NAME_AND_PLACE = "key: {source: sid, reference: rid}\nattributes: {name: name, place: category}"


def _check(text: str, source: list[str], reference: list[str], side: Side) -> None:
    here, there = (source, reference) if side is Side.SOURCE else (reference, source)
    Schema.from_yaml(text).check_columns(here, there, side=side, table="t.csv")


@pytest.mark.parametrize("side", list(Side))
def test_tables_with_all_columns_fit(side: Side) -> None:
    _check(NAME_AND_PLACE, ["sid", "name", "place", "more"], ["name", "rid", "place"], side)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("source", "reference"), [(["place"], []), ([], ["place"])])
def test_an_attribute_may_be_in_one_table_only(source: list[str], reference: list[str], side: Side) -> None:
    _check(NAME_AND_PLACE, ["sid", "name", *source], ["rid", "name", *reference], side)


@pytest.mark.parametrize("side", list(Side))
def test_an_attribute_in_neither_table_is_missing(side: Side) -> None:
    with pytest.raises(SchemaError) as caught:
        _check(NAME_AND_PLACE, ["sid", "name"], ["rid", "name"], side)
    expected = f"t.csv: the schema names the column 'place', which the {side} table does not have."
    assert caught.value.message.startswith(expected)
    assert f"'{side}_column'" in caught.value.remedy


def test_the_columns_there_are_come_with_the_error() -> None:
    with pytest.raises(SchemaError, match="Its columns are: sid, nom, place"):
        _check(NAME_AND_PLACE, ["sid", "nom", "place"], ["rid", "nom", "place"], Side.SOURCE)
    with pytest.raises(SchemaError, match="Its columns are: none"):
        _check("attributes: {name: name}", [], [], Side.SOURCE)


@pytest.mark.parametrize(("side", "key"), [(Side.SOURCE, "sid"), (Side.REFERENCE, "rid")])
def test_a_missing_key_is_named_with_its_own_remedy(side: Side, key: str) -> None:
    with pytest.raises(SchemaError) as caught:
        _check(NAME_AND_PLACE, ["name", "place"], ["name", "place"], side)
    assert f"column '{key}'" in caught.value.message
    assert caught.value.remedy == f"Correct 'key' in the schema: key: {{{side}: <column>}}."


def test_a_column_named_for_one_table_must_be_in_it() -> None:
    text = "attributes: {name: {kind: name, source_column: title}}"
    _check(text, ["title"], ["name"], Side.SOURCE)
    _check(text, ["title"], ["name"], Side.REFERENCE)
    with pytest.raises(SchemaError, match="column 'title', which the source table"):
        _check(text, ["name"], ["name"], Side.SOURCE)


def test_a_column_named_for_the_reference_may_not_be_left_out_there_although_the_source_has_it() -> None:
    text = "attributes: {name: {kind: name, reference_column: title}}"
    with pytest.raises(SchemaError, match="column 'title', which the reference table"):
        _check(text, ["name"], ["name"], Side.REFERENCE)
