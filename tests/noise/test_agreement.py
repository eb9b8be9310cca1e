"""How often attributes differ between records of one entity."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.noise import disagreement
from entity_matching.schema import Schema

SCHEMA = Schema.model_validate(
    {
        "attributes": {
            "name": "name",
            "country": {"kind": "category", "type": "country"},
            "city": {"kind": "category", "type": "place"},
            "ticker": {"kind": "identifier", "type": "ticker"},
            "founded": "number",
        }
    }
)


def _table(countries: list[str], tickers: list[str], **more: list[str]) -> pa.Table:
    return pa.table({"country.value": countries, "ticker.value": tickers, **more})


def _rows(count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(count, dtype=np.int64)


def test_with_many_pairs_the_share_is_the_one_seen() -> None:
    left = _table(["DE"] * 1000, ["A"] * 1000)
    right = _table(["DE"] * 600 + ["FR"] * 400, ["B"] * 1000)
    shares = disagreement(left, right, _rows(1000), _rows(1000), SCHEMA)
    assert shares["country"] == pytest.approx(0.4, abs=0.01)
    assert shares["ticker"] == pytest.approx(1.0, abs=0.01)


def test_without_pairs_the_share_is_the_usual_one() -> None:
    table = _table(["DE"], ["A"])
    shares = disagreement(table, table, _rows(0), _rows(0), SCHEMA)
    assert shares["country"] == pytest.approx(0.12)
    assert shares["ticker"] > shares["country"]


def test_a_handful_of_pairs_does_not_decide_alone() -> None:
    table = _table(["DE"] * 2, ["A"] * 2)
    shares = disagreement(table, table, _rows(2), _rows(2), SCHEMA)
    assert 0.05 < shares["country"] < 0.12


def test_only_pairs_with_both_values_count() -> None:
    left = _table(["DE"] * 500 + [""] * 500, [""] * 1000)
    right = _table(["FR"] * 250 + ["DE"] * 750, ["A"] * 1000)
    shares = disagreement(left, right, _rows(1000), _rows(1000), SCHEMA)
    assert shares["country"] == pytest.approx(0.5, abs=0.01)
    assert shares["ticker"] == pytest.approx(0.5)  # no pair has both: the usual one


def test_the_rows_tell_which_records_pair() -> None:
    left = _table(["DE", "FR"], ["A", "B"])
    right = _table(["FR", "DE"], ["B", "A"])
    rows = np.tile(_rows(2), 500)
    crossed = disagreement(left, right, rows, 1 - rows, SCHEMA)
    straight = disagreement(left, right, rows, rows, SCHEMA)
    assert crossed["country"] < 0.01
    assert straight["country"] > 0.9


def test_an_attribute_that_either_table_lacks_is_left_out() -> None:
    left = _table(["DE"], ["A"], **{"city.value": ["berlin"]})
    shares = disagreement(left, _table(["DE"], ["A"]), _rows(1), _rows(1), SCHEMA)
    assert set(shares) == {"country", "ticker"}
