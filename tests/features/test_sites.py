from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.features import FeatureSpace, Pairs, TextLimits
from entity_matching.features.sites import site_features
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side

LIMITS = TextLimits(threads=1)
SCHEMA = Schema.from_yaml("{attributes: {company: name, site: {kind: identifier, type: website}}}")


def compared(sources: dict[str, list[str]], references: dict[str, list[str]]) -> dict[str, list[float]]:
    size = len(next(iter(sources.values())))
    rows = np.arange(size, dtype=np.int64)
    left = normalize_table(pa.table(sources), SCHEMA, Side.SOURCE)
    right = normalize_table(pa.table(references), SCHEMA, Side.REFERENCE)
    block = site_features(Pairs(left, right, rows, rows), "company.core", "site.value", "s", LIMITS)
    return {feature.name: block.column(feature.name).tolist() for feature in block.features}


def test_a_renamed_company_is_found_in_its_web_address() -> None:
    found = compared(
        {"company": ["Total SE", "Totalgaz SA"]},
        {"company": ["TotalEnergies SE"] * 2, "site": ["https://www.total.com/en"] * 2},
    )
    assert found["s.ratio"][0] == 1.0 > found["s.ratio"][1]
    assert found["s.beside_own"][0] > 0, "the address says 'total', which the record's own name says less plainly"


def test_of_a_group_the_company_is_found_whose_address_has_the_name_alone() -> None:
    found = compared(
        {"company": ["Prosegur"] * 2},
        {
            "company": ["Prosegur Compania de Seguridad SA", "Prosegur Cash SA"],
            "site": ["prosegur.com", "prosegurcash.com"],
        },
    )
    assert found["s.ratio"][0] == 1.0 > found["s.ratio"][1]
    assert found["s.inside_name"][0] == 1.0 > found["s.inside_name"][1]
    assert found["s.inside_site"] == [1.0, 1.0]


def test_an_address_may_be_of_initials() -> None:
    found = compared(
        {"company": ["Internet Initiative Japan", "Internet Initiative"]},
        {"company": ["Iijholdings"] * 2, "site": ["http://www.iij.ad.jp"] * 2},
    )
    assert found["s.initials"] == [1.0, 0.0], "two initials begin too many hosts by chance"


@pytest.mark.parametrize(
    ("site", "same"),
    [
        ("heidelberg-cement.com", True),
        ("linkedin.com/company/heidelberg-cement", True),
        ("heidelbergcement.blogspot.com", True),
        ("heidelbergcement.co.uk", True),
        ("cement.com", False),
    ],
)
def test_the_part_counts_that_the_owner_chose(site: str, same: bool) -> None:
    ratio = compared({"company": ["Heidelberg Cement"]}, {"company": ["H"], "site": [site]})["s.ratio"][0]
    assert (ratio == 1.0) is same


def test_it_does_not_matter_which_side_gives_the_address() -> None:
    one = compared({"company": ["Total"]}, {"company": ["TotalEnergies"], "site": ["total.com"]})
    other = compared({"company": ["TotalEnergies"], "site": ["total.com"]}, {"company": ["Total"]})
    assert one == other


def test_of_two_addresses_the_closer_one_counts() -> None:
    found = compared(
        {"company": ["Total"], "site": ["elsewhere.example"]}, {"company": ["TotalEnergies"], "site": ["total.com"]}
    )
    assert found["s.ratio"] == [1.0]


def test_without_name_or_address_nothing_is_said() -> None:
    found = compared(
        {"company": ["", "Total", "Total"]}, {"company": ["T"] * 3, "site": ["total.com", "", "not an address"]}
    )
    assert all(np.isnan(values).all() for values in found.values())


def test_a_record_without_a_name_of_its_own_can_be_compared_by_its_address() -> None:
    found = compared({"company": ["Total"]}, {"site": ["total.com"]})
    assert found["s.ratio"] == found["s.beside_own"] == [1.0]


def test_tables_without_addresses_give_no_such_features() -> None:
    rows = np.arange(1, dtype=np.int64)
    for schema in (SCHEMA, Schema.from_yaml("{attributes: {company: name}}")):
        source, reference = (normalize_table(pa.table({"company": ["Total"]}), schema, side) for side in Side)
        block = FeatureSpace.fit(reference, schema, LIMITS).compute(Pairs(source, reference, rows, rows))
        names = [feature.name for feature in block.features]
        assert names and not [name for name in names if name.startswith("site")]


def test_every_name_is_compared_with_every_address() -> None:
    schema = Schema.from_yaml("{attributes: {name: name, former: name, site: {kind: identifier, type: website}}}")
    source = normalize_table(pa.table({"name": ["Total"], "former": ["CFP"]}), schema, Side.SOURCE)
    reference = normalize_table(pa.table({"name": ["TotalEnergies"], "site": ["total.com"]}), schema, Side.REFERENCE)
    rows = np.arange(1, dtype=np.int64)
    block = FeatureSpace.fit(reference, schema, LIMITS).compute(Pairs(source, reference, rows, rows))
    assert block.column("site.name.ratio").tolist() == [1.0]
    assert block.column("site.former.ratio")[0] < 0.5
