"""Synthetic source records."""

from __future__ import annotations

import datetime
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from entity_matching.noise import ColumnProfile, exact_records, noisy_records, profile_source
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.model_validate(
    {
        "key": {"source": "sid", "reference": "rid"},
        "attributes": {
            "name": {"kind": "name", "source_column": "firm"},
            "country": {"kind": "category", "type": "country"},
            "isin": {"kind": "identifier", "type": "isin"},
            "ticker": {"kind": "identifier", "type": "ticker"},
            "about": "text",
            "staff": "number",
            "founded": "date",
        },
    }
)
ISIN = "DE0007236101"


def _reference(rows: int = 50) -> pa.Table:
    return pa.table(
        {
            "rid": [f"R{row}" for row in range(rows)],
            "name": [f"Company Number {row} Holdings AG" for row in range(rows)],
            "country": pa.array([("Germany", "France", None)[row % 3] for row in range(rows)], pa.string()),
            "isin": [ISIN] * rows,
            "ticker": [f"T{row}" for row in range(rows)],
            "about": [f"makes part {row} for engines" for row in range(rows)],
            "staff": pa.array([1000 + row for row in range(rows)], pa.int64()),
            "founded": pa.array([datetime.date(1950, 1, 1)] * rows, pa.date32()),
        }
    )


def _all(count: int) -> npt.NDArray[np.int64]:
    return np.arange(count, dtype=np.int64)


def _noisy(
    reference: pa.Table, rows: npt.NDArray[np.int64], seed: int = 0, schema: Schema = SCHEMA, **profiles: ColumnProfile
) -> pa.Table:
    profile = {**profile_source(None, schema), **profiles}
    return noisy_records(reference, rows, schema, profile, np.random.default_rng(seed))


def _exact(reference: pa.Table, rows: npt.NDArray[np.int64], **profiles: ColumnProfile) -> pa.Table:
    profile = {**profile_source(None, SCHEMA), **profiles}
    return exact_records(reference, rows, SCHEMA, profile, np.random.default_rng(0))


@pytest.mark.parametrize("make", [_noisy, _exact])
def test_records_have_the_sources_columns_as_text_and_no_key(make: Any) -> None:
    table = make(_reference(), _all(50))
    assert table.column_names == ["firm", "country", "isin", "ticker", "about", "staff", "founded"]
    assert {str(field.type) for field in table.schema} == {"string"}
    assert table.num_rows == 50


@pytest.mark.parametrize("make", [_noisy, _exact])
def test_what_either_table_lacks_is_left_out(make: Any) -> None:
    table = make(_reference().drop_columns(["about"]), _all(50), isin=ColumnProfile(missing=1.0))
    assert "about" not in table.column_names
    assert "isin" not in table.column_names


@pytest.mark.parametrize("make", [_noisy, _exact])
def test_no_rows_give_an_empty_table(make: Any) -> None:
    assert make(_reference(), _all(0)).num_rows == 0


def test_one_seed_gives_the_same_records_and_another_gives_others() -> None:
    one, same, other = (_noisy(_reference(), _all(50), seed=seed) for seed in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)


def test_a_row_that_comes_twice_is_written_differently() -> None:
    table = _noisy(_reference(), np.full(50, 7, dtype=np.int64))
    names = table["firm"].to_pylist()
    assert len(set(names)) > 10
    assert all("7" in name for name in names)


def test_each_record_is_written_from_its_own_row() -> None:
    rows = np.array([40, 3, 17], dtype=np.int64)
    names = _noisy(_reference(), rows)["firm"].to_pylist()
    assert all(str(row) in name for row, name in zip(rows, names, strict=True))


def test_the_first_name_is_always_there_and_other_values_are_sometimes_not() -> None:
    profile = ColumnProfile(missing=0.6)
    table = _noisy(_reference(600), _all(600), name=profile, country=profile, about=profile)
    assert table["firm"].null_count == 0
    assert table["country"].null_count > 600 * 0.5
    assert table["about"].null_count > 600 * 0.5
    assert table["isin"].null_count > table["ticker"].null_count > 600 * 0.3
    assert table["founded"].null_count > 600 * 0.1


def test_values_differ_as_often_as_the_profile_says() -> None:
    reference = _reference(900)
    for share in (0.0, 0.5):
        table = _noisy(reference, _all(900), country=ColumnProfile(missing=0.0, changed=share))
        pairs = zip(table["country"].to_pylist(), reference["country"].to_pylist(), strict=True)
        differing = [one != two for one, two in pairs if one and two]
        assert np.mean(differing) == pytest.approx(share, abs=0.08)


def test_a_null_stays_null() -> None:
    reference = pa.table({"name": pa.array([None, "", "  ", "Foo"], pa.string())})
    assert _noisy(reference, _all(4))["firm"].to_pylist()[:3] == [None, None, None]
    assert _exact(reference, _all(4))["firm"].to_pylist()[:3] == [None, None, None]


def test_two_attributes_of_one_source_column_are_written_once() -> None:
    schema = Schema.model_validate({"attributes": {"title": "name", "words": {"kind": "text", "column": "title"}}})
    table = _noisy(pa.table({"title": ["Foo Bar"]}), _all(1), schema=schema)
    assert table.column_names == ["title"]


def test_exact_copies_are_whole_or_names_alone_or_in_capitals() -> None:
    reference = _reference(300)
    table = _exact(reference, _all(300))
    original = reference["name"].to_pylist()
    same = np.array([one == two for one, two in zip(table["firm"].to_pylist(), original, strict=True)])
    upper = np.array([one == two.upper() for one, two in zip(table["firm"].to_pylist(), original, strict=True)])
    alone = np.array([value is None for value in table["isin"].to_pylist()])
    assert (same | upper).all()
    assert not (upper & alone).any()
    assert all(0.2 < share < 0.5 for share in (upper.mean(), alone.mean(), (same & ~alone).mean()))
    kept = [value for value in table["country"].to_pylist() if value]
    assert set(kept) == {"Germany", "France"}  # only names and texts are put in capitals


def test_synthetic_records_can_be_normalised() -> None:
    keyless = SCHEMA.model_copy(update={"key": SCHEMA.key.model_copy(update={"source": None})})
    table = normalize_table(_noisy(_reference(), _all(50)), keyless, Side.SOURCE)
    assert table.num_rows == 50
    assert all(table["name.core"].to_pylist())
    assert table["founded.value"].null_count < 50
    assert set(table["isin.value"].to_pylist()) == {"", ISIN}


def test_thousands_of_records_take_less_than_a_second() -> None:
    reference = _reference(4000)
    _noisy(reference, _all(10))  # tables of words are read once
    start = time.process_time()
    _noisy(reference, _all(4000))
    assert time.process_time() - start < 2  # usually a fifth of a second; twice the promise, for busy machines


def test_records_are_called_by_their_brand_where_the_reference_has_web_addresses() -> None:
    """Whether or not the source has them; without them all is drawn as before."""
    schema = Schema.model_validate(
        {
            "key": {"source": "sid", "reference": "rid"},
            "attributes": {
                "name": {"kind": "name", "source_column": "firm"},
                "site": {"kind": "identifier", "type": "website"},
            },
        }
    )
    reference = pa.table({"rid": ["R0"], "name": ["Electricity Works of the North SE"], "site": ["http://zephyr.com"]})
    rows = np.zeros(200, dtype=np.int64)
    with_sites = _noisy(reference, rows, schema=schema, site=ColumnProfile(missing=1.0))
    names = [name.lower() for name in with_sites["firm"].to_pylist()]
    assert with_sites.column_names == ["firm"]
    assert any(name.startswith("zephyr") for name in names)
    assert any(name.startswith("electricity") for name in names)
    without = _noisy(reference.drop_columns(["site"]), rows, schema=schema)
    assert not any("zephyr" in name.lower() for name in without["firm"].to_pylist())
