"""What each attribute adds to Ditto's verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from entity_matching.errors import ArtifactError, InputError, SchemaError
from entity_matching.matcher import Matcher

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies

ATTRIBUTES = ["company_name", "isin", "country", "city"]


def _blank(table: pa.Table, *columns: str) -> pa.Table:
    for column in columns:
        empty = pa.array([""] * table.num_rows)
        table = table.set_column(table.column_names.index(column), column, empty)
    return table


def _pairs(*pairs: tuple[str, str]) -> pa.Table:
    return pa.table(
        {"source_key": [left for left, _ in pairs], "reference_key": [right for _, right in pairs]},
        pa.schema([("source_key", pa.string()), ("reference_key", pa.string())]),
    )


@pytest.fixture(scope="module")
def some(listings: Companies) -> pa.Table:
    """Five labelled pairs that match, the first one twice."""
    known = [row for row in listings.labels.to_pylist() if row["reference_key"]][:5]
    return pa.Table.from_pylist([*known, known[0]])


def _rows(matcher: Matcher, listings: Companies, pairs: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = matcher.contributions(listings.source, listings.reference, pairs).to_pylist()
    return rows


def test_each_pair_has_a_row_for_each_attribute_that_ditto_reads(
    deep_taught: Matcher, listings: Companies, some: pa.Table
) -> None:
    rows = _rows(deep_taught, listings, some)
    assert [row["attribute"] for row in rows] == ATTRIBUTES * 6
    keys = [(row["source_key"], row["reference_key"]) for row in rows[:: len(ATTRIBUTES)]]
    assert keys == list(zip(*some.to_pydict().values(), strict=True))
    for row in rows:
        assert 0 <= row["probability"] <= 1
        assert -1 <= row["contribution"] <= 1
    assert len({row["probability"] for row in rows[: len(ATTRIBUTES)]}) == 1
    assert rows[: len(ATTRIBUTES)] == rows[-len(ATTRIBUTES) :]


def test_the_contribution_is_what_the_verdict_loses_without_the_attribute(
    deep_taught: Matcher, listings: Companies, some: pa.Table
) -> None:
    rows = _rows(deep_taught, listings, some)
    without = deep_taught.contributions(
        _blank(listings.source, "country"), _blank(listings.reference, "country"), some
    ).to_pylist()
    said = [row for row in rows if row["attribute"] == "country"]
    unsaid = [row for row in without if row["attribute"] == "country"]
    assert any(row["contribution"] != 0 for row in said)
    for row, other in zip(said, unsaid, strict=True):
        assert row["probability"] - row["contribution"] == pytest.approx(other["probability"], abs=1e-12)


def test_what_both_sides_lack_adds_exactly_nothing(deep_taught: Matcher, listings: Companies, some: pa.Table) -> None:
    rows = deep_taught.contributions(
        _blank(listings.source, "city", "isin"), _blank(listings.reference, "city", "isin"), some
    ).to_pylist()
    assert {row["contribution"] for row in rows if row["attribute"] in ("city", "isin")} == {0.0}
    assert any(row["contribution"] != 0 for row in rows if row["attribute"] == "company_name")


def test_no_pairs_have_no_rows(deep_taught: Matcher, listings: Companies) -> None:
    found = deep_taught.contributions(listings.source, listings.reference, _pairs())
    assert found.num_rows == 0
    assert found.column_names == ["source_key", "reference_key", "attribute", "probability", "contribution"]


def test_any_dataframe_can_name_the_pairs(deep_taught: Matcher, listings: Companies, some: pa.Table) -> None:
    frame = some.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    found = deep_taught.contributions(listings.source.to_pandas(), listings.reference.to_pandas(), frame)
    assert found.equals(deep_taught.contributions(listings.source, listings.reference, some))


@pytest.mark.parametrize("side", ["source_key", "reference_key"])
def test_an_unknown_key_is_named_with_its_row(
    deep_taught: Matcher, listings: Companies, some: pa.Table, side: str
) -> None:
    bad = {"source_key": "S-none", "reference_key": some["reference_key"][0].as_py()}
    if side == "reference_key":
        bad = {"source_key": some["source_key"][0].as_py(), "reference_key": "C-none"}
    pairs = pa.Table.from_pylist([*some.slice(0, 2).to_pylist(), bad])
    with pytest.raises(InputError, match=rf"row 3, column '{side}': there is no record with the key '.-none'"):
        deep_taught.contributions(listings.source, listings.reference, pairs)


def test_pairs_without_their_columns_are_refused(deep_taught: Matcher, listings: Companies) -> None:
    wrong = pa.table({"left": ["a"], "right": ["b"]})
    with pytest.raises(InputError, match="there is no column 'source_key'. Its columns are: left, right"):
        deep_taught.contributions(listings.source, listings.reference, wrong)


def test_tables_are_checked_as_for_matching(deep_taught: Matcher, listings: Companies, some: pa.Table) -> None:
    twice = pa.concat_tables([listings.reference, listings.reference.slice(0, 1)])
    with pytest.raises(InputError, match="is there twice, in rows 1 and"):
        deep_taught.contributions(listings.source, twice, some)
    with pytest.raises(SchemaError, match="company_name"):
        nameless = listings.reference.drop_columns(["company_name"])
        deep_taught.contributions(listings.source.drop_columns(["company_name"]), nameless, some)


def test_a_model_without_ditto_cannot_explain_this_way(taught: Matcher, companies: Companies, some: pa.Table) -> None:
    with pytest.raises(ArtifactError, match=r"needs a model with Ditto; this one has none. Train one with --ditto"):
        taught.contributions(companies.source, companies.reference, some)
