"""A home that can be served: a reference, and a model of it."""

from __future__ import annotations

import json
from pathlib import Path

from entity_matching.config import MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.files import read_table
from entity_matching.jobs.models import publish
from entity_matching.jobs.named import find_job
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.matcher import Matcher
from entity_matching.schema import Schema

COMPANIES = Path(__file__).parents[2] / "examples" / "companies"
SMALL = MatcherSettings(
    search=SearchSettings(limit=8, threads=1),
    scorer=ScorerSettings(trees=20, folds=2, synthetic_records=80, threads=1),
)


def make(home: Path) -> Path:
    """Set up a catalog with a part of the example, and put a model in force; return the home."""
    home.mkdir(parents=True)
    reference = read_table(COMPANIES / "reference.csv").slice(0, 300)
    rows = home.with_name("reference.jsonl")
    rows.write_text("".join(json.dumps(row) + "\n" for row in reference.to_pylist()))
    job = find_job("setup-unity-catalog")
    job.run([f"--home={home}", f"--reference={rows}", f"--schema={COMPANIES / 'schema.yml'}"])
    source, schema = read_table(COMPANIES / "source.csv").slice(0, 40), Schema.load(COMPANIES / "schema.yml")
    publish(LakehouseSettings(home=home), Matcher.train(source, reference, schema=schema, settings=SMALL), "1")
    return home
