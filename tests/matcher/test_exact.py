"""The exact stage: what decides without a score, and what contradicts it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from entity_matching.matcher.exact import ExactMatches, exact_matches, same_by_identifier
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.model_validate(
    {
        "attributes": {
            "name": "name",
            "lei": {"kind": "identifier", "type": "lei"},
            "isin": {"kind": "identifier", "type": "isin"},
            "cusip": {"kind": "identifier", "type": "cusip"},
            "ticker": {"kind": "identifier", "type": "ticker"},
            "country": {"kind": "category", "type": "country"},
            "city": {"kind": "category", "type": "place"},
        }
    }
)
SIEMENS, BAYER, SAP = "DE0007236101", "DE000BAY0017", "DE0007164600"
LEI, OTHER_LEI = "W38RGI023J3WT1HWRP32", "549300J4U55H3WP1XT59"
APPLE, CISCO = "037833100", "17275R102"


def _table(rows: list[dict[str, str]], side: Side) -> pa.Table:
    columns = [attribute.name for attribute in SCHEMA.attributes]
    table = pa.table({column: pa.array([row.get(column) for row in rows], pa.string()) for column in columns})
    return normalize_table(table, SCHEMA, side)


def _match(source: list[dict[str, str]], reference: list[dict[str, str]], **options: Any) -> ExactMatches:
    return exact_matches(_table(source, Side.SOURCE), _table(reference, Side.REFERENCE), SCHEMA, **options)


def _one(source: dict[str, str], *reference: dict[str, str]) -> tuple[int, str, str, str]:
    """Return what is decided of one record: reference row, method, attribute, conflict."""
    found = _match([source], list(reference))
    return int(found.reference[0]), str(found.method[0]), found.attribute[0], found.conflict[0]


# --- identifiers ---


def test_a_shared_identifier_decides_whatever_the_spelling_of_the_name() -> None:
    source = {"name": "SIEMENS AG NA O.N.", "isin": "de 0007236101"}
    assert _one(source, {"name": "Bayer AG"}, {"name": "Siemens", "isin": SIEMENS}) == (1, "identifier", "isin", "")


def test_an_identifier_decides_without_a_name() -> None:
    assert _one({"isin": SIEMENS}, {"isin": SIEMENS, "name": "Siemens"})[:2] == (0, "identifier")


def test_an_identifier_with_a_wrong_check_digit_decides_nothing() -> None:
    wrong = "DE0007236102"
    assert _one({"name": "a", "isin": wrong}, {"name": "b", "isin": wrong}) == (-1, "", "", "")


def test_an_identifier_that_several_reference_records_have_decides_nothing() -> None:
    reference = [{"name": "Siemens AG", "isin": SIEMENS}, {"name": "Siemens Holding", "isin": SIEMENS}]
    assert _one({"name": "Siemens Corp Foo", "isin": SIEMENS}, *reference) == (-1, "", "", "")


def test_a_ticker_alone_decides_nothing() -> None:
    assert _one({"name": "one", "ticker": "SIE"}, {"name": "other", "ticker": "SIE"}) == (-1, "", "", "")


def test_an_identifier_is_doubted_where_the_names_do_not_resemble() -> None:
    found = _one({"name": "Quux Bakery", "isin": SIEMENS}, {"name": "Siemens AG", "isin": SIEMENS})
    assert found == (-1, "", "", "name")


def test_an_identifier_is_doubted_where_the_entitys_own_one_differs() -> None:
    source = {"name": "Siemens", "isin": SIEMENS, "lei": LEI}
    assert _one(source, {"name": "Siemens", "isin": SIEMENS, "lei": OTHER_LEI}) == (-1, "", "", "lei")


def test_two_securities_of_one_company_are_no_conflict() -> None:
    source = {"name": "Siemens", "isin": SIEMENS, "lei": LEI}
    assert _one(source, {"name": "Siemens", "isin": BAYER, "lei": LEI}) == (0, "identifier", "lei", "")


def test_two_identifiers_that_name_two_records_decide_nothing_and_are_noted() -> None:
    source = {"name": "Siemens", "isin": SIEMENS, "cusip": APPLE}
    reference = [{"name": "Siemens", "isin": SIEMENS}, {"name": "Siemens Energy", "cusip": APPLE}]
    assert _one(source, *reference) == (-1, "", "", "cusip")


def test_after_such_a_conflict_neither_a_third_identifier_nor_the_name_decides() -> None:
    source = {"name": "Siemens AG", "lei": LEI, "isin": SIEMENS, "cusip": APPLE}
    reference = [
        {"name": "Siemens AG", "lei": LEI},
        {"name": "Siemens Energy", "isin": SIEMENS},
        {"name": "Siemens Gamesa", "cusip": APPLE},
    ]
    assert _one(source, *reference) == (-1, "", "", "isin")


def test_an_agreement_that_was_doubted_is_not_taken_up_by_the_name() -> None:
    source = {"name": "Siemens AG", "isin": BAYER}
    assert _one(source, {"name": "Quux Bakery", "isin": BAYER}, {"name": "Siemens AG"}) == (-1, "", "", "name")


# --- names ---


def test_a_unique_name_decides() -> None:
    found = _one({"name": "SIEMENS AG"}, {"name": "Bayer AG"}, {"name": "Siemens AG"})
    assert found == (1, "whole_name", "name", "")


def test_a_name_decides_when_its_words_and_its_form_agree_in_other_spellings() -> None:
    found = _one({"name": "EVERSPIN TECHN. INC. DL-,0001"}, {"name": "Everspin Technologies, Inc."})
    assert found == (0, "exact_name", "name", "")


@pytest.mark.parametrize("other", ["Siemens GmbH", "Siemens"])
def test_another_legal_form_is_another_name(other: str) -> None:
    assert _one({"name": "Siemens AG"}, {"name": other})[0] == -1


def test_a_name_that_several_reference_records_have_decides_nothing() -> None:
    assert _one({"name": "Acme Inc"}, {"name": "Acme Inc."}, {"name": "ACME, Inc"})[0] == -1


def test_the_name_as_written_comes_before_its_words() -> None:
    # both reference records are "acme inc" in their words; one is so as it is written
    found = _one({"name": "Acme Inc"}, {"name": "Acme Incorporated"}, {"name": "ACME INC"})
    assert found == (1, "whole_name", "name", "")


def test_a_name_is_doubted_where_the_country_differs() -> None:
    source = {"name": "Acme Inc", "country": "Germany"}
    assert _one(source, {"name": "Acme Inc", "country": "FR"}) == (-1, "", "", "country")
    assert _one(source, {"name": "Acme Inc", "country": "DE"})[0] == 0
    assert _one(source, {"name": "Acme Inc"})[0] == 0


def test_a_name_is_not_doubted_for_another_city() -> None:
    assert _one({"name": "Acme Inc", "city": "Berlin"}, {"name": "Acme Inc", "city": "Paris"})[0] == 0


def test_a_name_is_doubted_where_the_entitys_own_identifier_differs() -> None:
    assert _one({"name": "Acme Inc", "lei": LEI}, {"name": "Acme Inc", "lei": OTHER_LEI})[3] == "lei"
    assert _one({"name": "Acme Inc", "cusip": APPLE}, {"name": "Acme Inc", "cusip": CISCO})[0] == 0


def test_a_country_that_differs_does_not_undo_an_identifier() -> None:
    source = {"name": "Siemens AG", "isin": SIEMENS, "country": "France"}
    assert _one(source, {"name": "Siemens AG", "isin": SIEMENS, "country": "Germany"})[:2] == (0, "identifier")


def test_empty_names_do_not_agree() -> None:
    assert _one({"name": ""}, {"name": ""}) == (-1, "", "", "")


# --- tables ---


def test_each_record_is_decided_by_itself() -> None:
    source = [
        {"name": "Siemens AG"},
        {"name": "Nobody"},
        {"name": "x", "isin": SAP},
        {"name": "Bayer AG", "isin": BAYER},
    ]
    reference = [{"name": "Bayer AG", "isin": BAYER}, {"name": "x", "isin": SAP}, {"name": "Siemens AG"}]
    found = _match(source, reference)
    assert found.reference.tolist() == [2, -1, 1, 0]
    assert found.method.tolist() == ["whole_name", "", "identifier", "identifier"]


def test_several_source_records_may_be_one_reference_record() -> None:
    assert _match([{"name": "Siemens AG"}] * 3, [{"name": "Siemens AG"}]).reference.tolist() == [0, 0, 0]


def test_without_veto_what_is_contradicted_stays() -> None:
    found = _match([{"name": "Acme", "country": "DE"}], [{"name": "Acme", "country": "FR"}], veto=False)
    assert found.reference.tolist() == [0]
    assert found.conflict.tolist() == [""]


@pytest.mark.parametrize(("sources", "references"), [(0, 0), (0, 2), (2, 0)])
def test_empty_tables_decide_nothing(sources: int, references: int) -> None:
    found = _match([{"name": "a"}] * sources, [{"name": "b"}] * references)
    assert found.reference.tolist() == [-1] * sources
    assert found.conflict.tolist() == [""] * sources


def test_what_one_table_lacks_decides_nothing() -> None:
    source = _table([{"name": "Acme", "isin": SIEMENS, "country": "DE"}], Side.SOURCE)
    reference = _table([{"name": "Acme", "isin": SIEMENS, "country": "FR"}], Side.REFERENCE)
    without_isin = reference.drop_columns([name for name in reference.column_names if name.startswith("isin")])
    assert exact_matches(source, without_isin, SCHEMA).conflict.tolist() == ["country"]
    names_alone = without_isin.drop_columns(["country.raw", "country.value"])
    assert exact_matches(source, names_alone, SCHEMA).method.tolist() == ["whole_name"]


# --- pairs by themselves ---


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ({"isin": SIEMENS}, {"isin": "de 0007236101", "name": "Siemens"}, True),
        ({"isin": SIEMENS, "cusip": APPLE}, {"isin": SIEMENS, "cusip": CISCO}, True),
        ({"isin": SIEMENS, "country": "DE"}, {"isin": SIEMENS, "country": "FR"}, True),
        ({"isin": SIEMENS}, {"isin": BAYER}, False),
        ({"isin": ""}, {"isin": ""}, False),
        ({"ticker": "SIE"}, {"ticker": "SIE"}, False),
        ({"name": "Siemens"}, {"name": "Siemens"}, False),
        ({"isin": SIEMENS, "lei": LEI}, {"isin": SIEMENS, "lei": OTHER_LEI}, False),
        ({"isin": SIEMENS, "name": "Siemens"}, {"isin": SIEMENS, "name": "Coal of Wales"}, False),
    ],
)
def test_a_pair_is_the_same_by_a_strong_identifier_that_nothing_contradicts(
    left: dict[str, str], right: dict[str, str], same: bool
) -> None:
    other = {"name": "Bayer", "isin": BAYER}
    one, two = _table([left, other, left], Side.SOURCE), _table([right, other, right], Side.REFERENCE)
    assert same_by_identifier(one, two, SCHEMA).tolist() == [same, True, same]
