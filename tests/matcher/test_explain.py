from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.matcher.explain import SHOWN, reasons
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

SCHEMA = Schema.from_yaml(
    """
    attributes:
      name: name
      country: {kind: category, type: country}
      lei: {kind: identifier, type: lei}
      ticker: {kind: identifier, type: ticker}
      web_site: {kind: identifier, type: website}
      revenue: number
    """
)


def reason(source: dict[str, str], reference: dict[str, str], best: float = 0.9, second: float = float("nan")) -> str:
    left = normalize_table(pa.table({name: [value] for name, value in source.items()}), SCHEMA, Side.SOURCE)
    right = normalize_table(pa.table({name: [value] for name, value in reference.items()}), SCHEMA, Side.REFERENCE)
    return reasons(left, right, SCHEMA, np.array([best]), np.array([second]))[0]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("Vestas Wind Systems A/S", "VESTAS WIND SYSTEMS", "name agrees"),
        ("Deutsche Bank AG", "Deutsche Bank GmbH", "name agrees but for the legal form (AG / GMBH)"),
        ("Black Rock Inc", "BlackRock, Inc.", "name agrees but for spaces"),
        ("Quebec Prec. Metals", "Quebec Precious Metals Corporation", "name agrees, some words cut or abbreviated"),
        ("Banco Santander", "Banco Santander Mexico", "only in the reference: mexico"),
        ("Temenos Nordic", "Temenos", "only in the source: nordic"),
        ("Siemens", "Novartis", "name differs: siemens / novartis"),
    ],
)
def test_names(left: str, right: str, expected: str) -> None:
    assert expected in reason({"name": left}, {"name": right})


def test_countries_are_shown_as_given_when_they_differ() -> None:
    left, right = {"name": "Acme", "country": "Germany"}, {"name": "Acme", "country": "Austria"}
    assert "country differs: Germany / Austria" in reason(left, right)
    assert "country agrees" in reason(left, {**right, "country": "DE"})


def test_a_ticker_is_mentioned_only_when_it_agrees() -> None:
    left = {"name": "Acme", "ticker": "ACM.DE"}
    assert "ticker" not in reason(left, {"name": "Acme", "ticker": "XYZ.L"})
    assert "ticker agrees" in reason(left, left)


def test_a_name_that_is_the_other_records_web_address_is_mentioned_unless_the_names_agree() -> None:
    reference = {"name": "TotalEnergies SE", "web_site": "http://www.total.com/en"}
    assert "name is the reference's web site (total.com)" in reason({"name": "Total SE"}, reference)
    assert "web site" not in reason({"name": "Totalgaz"}, reference)
    assert "web site" not in reason({"name": "Total"}, {"name": "Total SE", "web_site": "total.com"})
    assert "name is the source's web site (total.com)" in reason(reference, {"name": "Total SE"})
    assert "web site" not in reason({"name": ""}, {"name": "Total", "web_site": ""})


def test_a_value_that_one_side_lacks_is_not_mentioned() -> None:
    assert "country" not in reason({"name": "Acme", "country": ""}, {"name": "Acme", "country": "Austria"})


def test_the_rival_is_placed() -> None:
    both = {"name": "Acme"}
    assert reason(both, both).endswith("no other candidate")
    assert reason(both, both, 0.9, 0.1).endswith("next best candidate far behind")
    assert reason(both, both, 0.9, 0.5).endswith("next best candidate behind")
    assert reason(both, both, 0.9, 0.8).endswith("next best candidate close")


def test_long_values_are_cut() -> None:
    text = reason({"name": "first " * 1000}, {"name": "second " * 1000})
    assert len(text) < 4 * SHOWN + 100
    assert "…" in text
