"""Names as web addresses have them."""

from __future__ import annotations

import numpy as np
import pytest

from entity_matching.noise.brands import BRANDED, branded

COUNT = 2_000


def _branded(name: str, site: str, count: int = COUNT) -> list[str]:
    return branded([name] * count, [site] * count, np.random.default_rng(0))


def test_some_names_are_written_as_their_address_has_them() -> None:
    """About as many as is said; the others stay as they are."""
    names = _branded("TotalEnergies SE", "http://www.total.com")
    assert set(names) == {"Total", "TotalEnergies SE"}
    assert names.count("Total") / COUNT == pytest.approx(BRANDED, abs=0.03)


@pytest.mark.parametrize(
    ("site", "brand"),
    [
        ("https://www.saga-pure.co.uk/about", "Saga Pure"),
        ("https://linkedin.com/company/acme", "Acme"),
        ("iij.ad.jp", "Iij"),
    ],
)
def test_a_brand_is_what_the_owner_chose_of_the_address(site: str, brand: str) -> None:
    assert brand in _branded("Long Name of the Company", site, 100)


@pytest.mark.parametrize("site", ["", "none", "x.com", "vw.de"])
def test_without_a_telling_address_a_name_stays(site: str) -> None:
    assert set(_branded("Twitter", site, 100)) == {"Twitter"}


@pytest.mark.parametrize("name", ["", "  "])
def test_a_blank_name_stays_blank(name: str) -> None:
    assert set(_branded(name, "total.com", 100)) == {name}


def test_the_same_seed_gives_the_same_names() -> None:
    assert _branded("TotalEnergies SE", "total.com") == _branded("TotalEnergies SE", "total.com")
