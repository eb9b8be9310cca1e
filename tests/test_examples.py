"""The example data is what its README says."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from entity_matching.schema import Schema, Side

FOLDER = Path(__file__).parent.parent / "examples" / "companies"


def _read(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_schema_fits_both_tables() -> None:
    schema = Schema.load(FOLDER / "schema.yml")
    source, reference = (list(_read(name)[0]) for name in ("source.csv", "reference.csv"))
    schema.check_columns(source, reference, side=Side.SOURCE, table="source.csv")
    schema.check_columns(reference, source, side=Side.REFERENCE, table="reference.csv")


def test_every_listing_has_one_label_in_one_half() -> None:
    labelled = [row["source_id"] for name in ("labels.csv", "heldout.csv") for row in _read(name)]
    listings = [row["source_id"] for row in _read("source.csv")]
    assert sorted(labelled) == sorted(listings)
    assert len(set(listings)) == len(listings) >= 450


def test_no_company_is_in_both_halves() -> None:
    training, heldout = ({row["company_id"] for row in _read(name)} - {""} for name in ("labels.csv", "heldout.csv"))
    assert not training & heldout


@pytest.mark.parametrize("name", ["labels.csv", "heldout.csv"])
def test_labels_name_companies_of_the_reference_or_none(name: str) -> None:
    companies = {row["company_id"] for row in _read("reference.csv")}
    right = [row["company_id"] for row in _read(name)]
    assert set(right) - {""} <= companies
    assert 0.1 < right.count("") / len(right) < 0.2


def test_the_reference_has_one_row_per_company() -> None:
    companies = [row["company_id"] for row in _read("reference.csv")]
    assert len(set(companies)) == len(companies) == 3_000
