from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from entity_matching.config import MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.files import read_labels, read_table
from entity_matching.matcher import Matcher
from entity_matching.schema import Schema

EXAMPLE = Path(__file__).parents[2] / "examples" / "companies"

SMALL = MatcherSettings(
    search=SearchSettings(limit=10, threads=1),
    scorer=ScorerSettings(trees=40, folds=2, synthetic_records=300, threads=1),
)
"""Settings under which a matcher is trained in a second or two."""


SCHEMA = """
key: {source: source_id, reference: company_id}
attributes:
  company_name: name
  isin: {kind: identifier, type: isin}
  ticker: {kind: identifier, type: ticker}
  country: {kind: category, type: country}
  city: {kind: category, type: place}
"""


class Companies(NamedTuple):
    """A part of the example data."""

    source: pa.Table
    reference: pa.Table
    labels: pa.Table
    schema: Schema


@pytest.fixture(scope="session")
def companies() -> Companies:
    schema = Schema.from_yaml(SCHEMA)
    source = read_table(EXAMPLE / "source.csv").slice(0, 240)
    labels = pa.concat_tables([read_labels(EXAMPLE / name, schema.key) for name in ("labels.csv", "heldout.csv")])
    keys = set(source["source_id"].to_pylist())
    labels = labels.filter(pa.array([key in keys for key in labels["source_key"].to_pylist()]))
    wanted = set(labels["reference_key"].to_pylist())
    reference = read_table(EXAMPLE / "reference.csv")
    kept = [key in wanted or place % 4 == 0 for place, key in enumerate(reference["company_id"].to_pylist())]
    return Companies(source, reference.filter(pa.array(kept)), labels, schema)


@pytest.fixture(scope="session")
def blind(companies: Companies) -> Matcher:
    """A matcher trained with no label."""
    return Matcher.train(companies.source, companies.reference, schema=companies.schema, settings=SMALL)


@pytest.fixture(scope="session")
def taught(companies: Companies) -> Matcher:
    """A matcher trained with labels."""
    return Matcher.train(
        companies.source, companies.reference, companies.labels, schema=companies.schema, settings=SMALL
    )
