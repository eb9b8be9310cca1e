from __future__ import annotations

import pyarrow as pa
import pytest

from entity_matching.schema import Schema

SCHEMA = Schema.model_validate(
    {
        "entity": "company",
        "attributes": {
            "name": "name",
            "country": {"kind": "category", "type": "country"},
            "isin": {"kind": "identifier", "type": "isin"},
        },
    }
)


def companies(*names: str, countries: list[str] | None = None, isins: list[str] | None = None) -> pa.Table:
    """Return a normalised table of companies; the last word of a name is its legal form."""
    rows = len(names)
    return pa.table(
        {
            "__key": pa.array([str(row) for row in range(rows)], pa.string()),
            "name.raw": pa.array(names, pa.string()),
            "name.text": pa.array(names, pa.string()),
            "name.core": pa.array([" ".join(name.split()[:-1]) for name in names], pa.string()),
            "name.form": pa.array([" ".join(name.split()[-1:]) for name in names], pa.string()),
            "country.value": pa.array(countries or [""] * rows, pa.string()),
            "isin.value": pa.array(isins or [""] * rows, pa.string()),
        }
    )


@pytest.fixture
def schema() -> Schema:
    return SCHEMA


@pytest.fixture
def reference() -> pa.Table:
    return companies(
        "siemens ag",
        "siemens energy ag",
        "ubisoft entertainment sa",
        "pond technologies holdings inc",
        "deutsche bank ag",
        "deutsche boerse ag",
        "",
        "siemens ag",
        countries=["DE", "DE", "FR", "CA", "DE", "DE", "", "US"],
        isins=["DE0007236101", "", "FR0000054470", "", "DE0005140008", "DE0005810055", "", ""],
    )
