"""What the documentation says is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from entity_matching.config import MatcherSettings
from entity_matching.files import read_table, write_table
from entity_matching.schema import CATEGORY_TYPES, IDENTIFIER_TYPES, Attribute, Kind

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODEL = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def settings() -> list[str]:
    """Return the names of all settings."""
    names = []
    for group in fields(MatcherSettings):
        value = getattr(MatcherSettings(), group.name)
        names += [field.name for field in fields(value)] if is_dataclass(value) else [group.name]
    return names


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_documented(name: str) -> None:
    assert re.search(rf"`[^`]*\b{name}\b[^`]*` \|", MODEL)


@pytest.mark.parametrize("word", [*Kind, *IDENTIFIER_TYPES, *CATEGORY_TYPES, *Attribute.model_fields])
def test_every_word_of_a_schema_is_documented(word: str) -> None:
    assert f"`{word}`" in MODEL or word in ("name", "type", "kind")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """Return a folder that holds ``examples/companies`` with a part of its rows: all of them take long to learn."""
    whole, part = ROOT / "examples" / "companies", tmp_path / "examples" / "companies"
    part.mkdir(parents=True)
    shutil.copy(whole / "schema.yml", part)
    labels = read_table(whole / "labels.csv").slice(0, 60)
    keys = {name: set(labels[name].to_pylist()) for name in ("source_id", "company_id")}
    source, reference = read_table(whole / "source.csv"), read_table(whole / "reference.csv")
    known = [key in keys["source_id"] for key in source["source_id"].to_pylist()]
    wanted = [key in keys["company_id"] or n % 50 == 0 for n, key in enumerate(reference["company_id"].to_pylist())]
    write_table(labels, part / "labels.csv")
    write_table(source.filter(pa.array(known)), part / "source.csv")
    write_table(reference.filter(pa.array(wanted)), part / "reference.csv")
    return tmp_path


def test_the_example_of_the_readme_runs(example: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    assert "Matcher.train" in code
    done = subprocess.run([sys.executable, "-c", code], cwd=example, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "match" in done.stdout


def test_every_benchmark_is_named_with_its_command() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for script in (ROOT / "benchmarks").glob("[a-z]*.py"):
        assert f"python benchmarks/{script.name} --data" in text
