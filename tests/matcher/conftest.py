from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from entity_matching.config import CascadeSettings, DittoSettings, MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.files import read_labels, read_table
from entity_matching.matcher import Matcher
from entity_matching.matcher.train import Task
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


DEEP_SCHEMA = """
key: {source: source_id, reference: company_id}
attributes:
  company_name: name
  isin: {kind: identifier, type: isin}
  country: {kind: category, type: country}
  city: {kind: category, type: place}
  website: {kind: identifier, type: website}
"""


@pytest.fixture(scope="session")
def listings(companies: Companies) -> Companies:
    """A smaller part, for trainings of Ditto; a third of the source has an ISIN, only the reference has websites."""
    source, labels = companies.source.slice(0, 80), companies.labels
    labels = labels.filter(
        pa.array([key in set(source["source_id"].to_pylist()) for key in labels["source_key"].to_pylist()])
    )
    wanted = set(labels["reference_key"].to_pylist())
    keys = companies.reference["company_id"].to_pylist()
    kept = [key in wanted or (place % 5 == 0) for place, key in enumerate(keys)]
    reference = companies.reference.filter(pa.array(kept))
    isin = dict(zip(reference["company_id"].to_pylist(), reference["isin"].to_pylist(), strict=True))
    truth = dict(zip(labels["source_key"].to_pylist(), labels["reference_key"].to_pylist(), strict=True))
    known = [
        isin.get(truth[key], "") if row % 3 == 0 else "" for row, key in enumerate(source["source_id"].to_pylist())
    ]
    schema = Schema.from_yaml(DEEP_SCHEMA)
    return Companies(source.append_column("isin", pa.array(known, pa.string())), reference, labels, schema)


@pytest.fixture(scope="session")
def deep_settings(small_encoder: Path) -> MatcherSettings:
    """Settings under which Ditto, too, is trained in a second or two, the same on every machine."""
    return replace(
        SMALL,
        scorer=ScorerSettings(trees=30, learning_rate=0.2, folds=2, synthetic_records=100, threads=1),
        ditto=DittoSettings(
            encoder=str(small_encoder),
            epochs=1,
            max_tokens=48,
            learning_rate=1e-3,
            head_rate=5e-3,
            precision="fp32",
            device="cpu",
            threads=1,
        ),
        cascade=CascadeSettings(low=0.02, high=0.98, folds=2, pretraining_epochs=1),
    )


@pytest.fixture(scope="session")
def deep_task(listings: Companies, deep_settings: MatcherSettings) -> Task:
    """What there is to learn from, and Ditto taught what needs no labels."""
    return Task.prepare(listings.source, listings.reference, listings.labels, listings.schema, deep_settings)


@pytest.fixture(scope="session")
def deep_blind(listings: Companies, deep_settings: MatcherSettings) -> Matcher:
    """A matcher with Ditto, trained with no label."""
    return Matcher.train(listings.source, listings.reference, schema=listings.schema, settings=deep_settings)


@pytest.fixture(scope="session")
def deep_taught(listings: Companies, deep_settings: MatcherSettings) -> Matcher:
    """A matcher with Ditto, trained with labels."""
    return Matcher.train(
        listings.source, listings.reference, listings.labels, schema=listings.schema, settings=deep_settings
    )
