"""Fixtures: a command run in this process, small tables in files, and a matcher that only compares names."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from entity_matching.cli.main import run
from entity_matching.config import CascadeSettings, DittoSettings, MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.schema import Kind, Schema, Side

RESULT = pa.schema(
    [
        ("source_key", pa.string()),
        ("decision", pa.string()),
        ("entity_id", pa.string()),
        ("confidence", pa.float64()),
        ("method", pa.string()),
        ("reason", pa.string()),
        ("candidates", pa.list_(pa.struct([("entity_id", pa.string()), ("confidence", pa.float64())]))),
    ]
)


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``entity-matching`` with the given arguments."""

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = end.value.code
        return Done(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return call


@dataclass
class Folder:
    """A folder with a source of three records, a reference of two, and labels."""

    path: Path
    source: Path = field(init=False)
    reference: Path = field(init=False)
    labels: Path = field(init=False)
    out: Path = field(init=False)

    def __post_init__(self) -> None:
        """Write the files."""
        self.out = self.path / "out.csv"
        self.source = self.write("source.csv", "source_id,name,city\nS1,Siemens AG,\nS2,siemens,Munich\nS3,Nobody,\n")
        self.reference = self.write("reference.csv", "entity_id,name,city\nE1,Siemens AG,Munich\nE2,BP p.l.c.,London\n")
        self.labels = self.write("labels.csv", "source_id,entity_id\nS1,E1\nS2,E1\nS3,\n")

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.path / name
        path.write_text(text)
        return path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return small tables in files."""
    return Folder(tmp_path)


@dataclass
class FakeMatcher:
    """Takes a record for another of exactly the same name; for review, one of the same name in another case."""

    schema: Schema
    settings: MatcherSettings
    labels: int = 0
    thresholds: Any = field(default_factory=lambda: types.SimpleNamespace(match=0.9, review=0.4))

    def match(self, source: pa.Table, reference: pa.Table, *, progress: Any = None) -> pa.Table:
        """Match by name."""
        if progress is not None:
            progress("comparing", 0.5)
        names = {name: key for key, name in zip(*self._columns(reference, Side.REFERENCE), strict=True)}
        rows = []
        for key, name in zip(*self._columns(source, Side.SOURCE), strict=True):
            same, like = (
                names.get(name),
                next((n for n in names if n.split()[0].lower() == name.split()[0].lower()), ""),
            )
            entity = same or names.get(like)
            decision = "match" if same else "review" if entity else "no_match"
            confidence = {"match": 0.99, "review": 0.5, "no_match": 0.01}[decision]
            candidates = [{"entity_id": entity, "confidence": confidence}] if entity else []
            method = {"match": "exact_name", "review": "scored", "no_match": "none"}[decision]
            rows.append(dict(zip(RESULT.names, (key, decision, entity, confidence, method, "the name agrees" if entity
                                                else "no candidate", candidates), strict=True)))  # fmt: skip
        return pa.Table.from_pylist(rows, RESULT)

    def _columns(self, table: pa.Table, side: Side) -> tuple[list[str], list[str]]:
        name = self.schema.of_kind(Kind.NAME)[0].column_on(side)
        key = self.schema.key.on(side)
        keys = [str(row) for row in range(table.num_rows)] if key is None else table.column(key).to_pylist()
        return keys, table.column(name).to_pylist()


@pytest.fixture
def fake_matcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Put the fake in the matcher's place; returns what it is called with."""
    calls: list[dict[str, Any]] = []

    def match(source: pa.Table, reference: pa.Table, **options: Any) -> pa.Table:
        calls.append(options)
        return FakeMatcher(options["schema"], options["settings"]).match(source, reference)

    def crossvalidate(source: pa.Table, reference: pa.Table, labels: pa.Table, **options: Any) -> pa.Table:
        return match(source, reference, labels=labels, **options)

    importlib.import_module("entity_matching.matcher.checks")  # what is not replaced must be there already
    module: Any = types.ModuleType("entity_matching.matcher")
    module.match, module.crossvalidate, module.Matcher = match, crossvalidate, FakeMatcher
    monkeypatch.setitem(sys.modules, "entity_matching.matcher", module)
    yield calls


@dataclass(frozen=True)
class Towns:
    """Files with a small source and reference and labels, and a model of them with Ditto and one without."""

    path: Path

    def __getattr__(self, name: str) -> Path:
        """Return the path of a table, e.g. of ``source``."""
        return self.path / f"{name}.csv"

    @property
    def deep(self) -> Path:
        """Return the folder of the model with Ditto."""
        return self.path / "deep"

    @property
    def plain(self) -> Path:
        """Return the folder of the model without."""
        return self.path / "plain"


QUICK = MatcherSettings(
    search=SearchSettings(limit=8, threads=1),
    scorer=ScorerSettings(trees=20, folds=2, synthetic_records=80, threads=1),
    cascade=CascadeSettings(low=0.3, high=0.7, folds=2, pretraining_epochs=1),
)


@pytest.fixture(scope="session")
def quick() -> MatcherSettings:
    """Return settings under which a model is trained in a second or two, with Ditto or without."""
    return QUICK


@pytest.fixture(scope="session")
def towns(tmp_path_factory: pytest.TempPathFactory, small_encoder: Path) -> Towns:
    """Return forty houses in four towns; a source writes them in capitals and leaves letters out."""
    from entity_matching.files import read_table  # noqa: PLC0415 - heavy for the tests of --help
    from entity_matching.matcher import Matcher  # noqa: PLC0415

    found = Towns(tmp_path_factory.mktemp("towns"))
    places = ["Aarhus", "Bonn", "Turin", "Malaga"]
    sorts = ["Brewery", "Foundry", "Tannery", "Bakery", "Dairy", "Mill", "Printers", "Weavers", "Glass", "Salt"]
    names = [(f"{place} {sort}", place) for place in places for sort in sorts]
    found.reference.write_text(
        "entity_id,name,city\n" + "".join(f"E{n},{name},{city}\n" for n, (name, city) in enumerate(names))
    )
    messy = [(n, f"{name[:-2].upper()}", city) for n, (name, city) in enumerate(names) if n % 2]
    found.source.write_text(
        "source_id,name,city\n" + "".join(f"S{n},{name},{city}\n" for n, name, city in messy) + "S=1,Nobody,Rome\n"
    )
    found.labels.write_text("source_id,entity_id\n" + "".join(f"S{n},E{n}\n" for n, _, _ in messy) + "S=1,\n")
    ditto = DittoSettings(
        encoder=str(small_encoder), epochs=1, max_tokens=48, precision="fp32", device="cpu", threads=1
    )
    source, reference = read_table(found.source), read_table(found.reference)
    Matcher.train(source, reference, settings=replace(QUICK, ditto=ditto)).save(found.deep)
    Matcher.train(source, reference, settings=QUICK).save(found.plain)
    return found
