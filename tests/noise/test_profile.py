"""What a source looks like."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from entity_matching.noise import profile_source
from entity_matching.noise.profile import STYLES
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.model_validate(
    {
        "attributes": {
            "name": "name",
            "country": {"kind": "category", "type": "country"},
            "ticker": {"kind": "identifier", "type": "ticker"},
            "about": "text",
        }
    }
)


def _normal(**columns: Sequence[str | None]) -> pa.Table:
    return normalize_table(
        pa.table({name: pa.array(v, pa.string()) for name, v in columns.items()}), SCHEMA, Side.SOURCE
    )


def test_shares_are_those_of_the_source() -> None:
    table = _normal(
        name=["YEXT INC.  DL 0,001", "MURATA MFG", "Bayer AG", "Société Générale", "H+M HENNES"],
        country=["DE", None, "", "FR", "US"],
        ticker=[None] * 5,
    )
    profiles = profile_source(table, SCHEMA)
    name = profiles["name"]
    assert (name.missing, name.formed, name.ascii) == (0, 0.4, 0.8)
    assert name.plus > 0.5
    assert profiles["country"].missing == pytest.approx(0.4)
    assert profiles["ticker"].missing == 1  # a column, but nothing in it
    assert profiles["about"].missing == 1  # no column


@pytest.mark.parametrize("table", [None, _normal(name=[])])
def test_without_a_source_market_listings_are_the_model(table: pa.Table | None) -> None:
    profiles = profile_source(table, SCHEMA)
    assert set(profiles) == {"name", "country", "ticker", "about"}
    assert all(0 < profile.missing < 1 for profile in profiles.values())
    assert any(style.ending == " O.N." for style in profiles["name"].styles)


def test_what_is_known_of_disagreement_is_taken_and_the_usual_otherwise() -> None:
    table = _normal(name=["a"], country=["DE"], ticker=["A"])
    for source in (table, None):
        profiles = profile_source(source, SCHEMA, changed={"country": 0.77})
        assert profiles["country"].changed == 0.77
        assert profiles["ticker"].changed == 0.5
    assert profile_source(table, SCHEMA)["country"].changed == 0.12


def test_a_source_without_suffixes_teaches_none() -> None:
    profile = profile_source(_normal(name=["arnie morton's of chicago", "art's delicatessen"]), SCHEMA)["name"]
    assert {style.ending for style in profile.styles} == {""}


def test_names_cut_at_a_length_show_the_limit() -> None:
    names = [f"{'COMPANY NUMBER ' + 'X' * (place % 40)}"[:25] for place in range(400)]
    assert profile_source(_normal(name=names), SCHEMA)["name"].limits == (25,)


def test_a_large_source_is_sampled_evenly() -> None:
    rows = 3 * STYLES
    names = ["UPPER AG"] * (rows // 2) + ["Lower AG"] * (rows // 2)
    profile = profile_source(_normal(name=names), SCHEMA, sample=2 * STYLES)["name"]
    assert len(profile.styles) == STYLES
    assert sum(style.case == "upper" for style in profile.styles) == pytest.approx(STYLES / 2, rel=0.01)
