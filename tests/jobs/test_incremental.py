"""Random days: what an incremental run makes of gold is what matching everything anew would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pytest
from tests.filling import fill

from entity_matching.jobs import exact_match, score_candidates, write_results
from entity_matching.jobs.job import Context, Job
from entity_matching.jobs.models import current, publish
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, REVIEW_DECISIONS, SOURCE_ENTITIES
from entity_matching.matcher import Matcher
from entity_matching.schema import Schema

pytestmark = pytest.mark.spark

STAGES: tuple[Job[Any], ...] = (exact_match.JOB, score_candidates.JOB, write_results.JOB)
NEAR = 0.1
"""What the rule lets a confidence stand off that was not computed anew: the setting ``doubt``."""
Record = dict[str, str]
Key = tuple[str, str]
Decided = tuple[str, str | None]


class Companies(Protocol):
    source: pa.Table
    reference: pa.Table
    labels: pa.Table
    schema: Schema


class Bronze(Protocol):
    companies: Companies

    def source(self, lake: Lakehouse, table: pa.Table, system: str = ...) -> None: ...

    def reference(self, lake: Lakehouse, table: pa.Table) -> None: ...

    def example(self, lake: Lakehouse, **matchers: Matcher) -> None: ...


def rows(table: pa.Table) -> list[Record]:
    """Return the records of a table without their empty values."""
    return [{name: value for name, value in row.items() if value} for row in table.to_pylist()]


def table_of(records: list[Record]) -> pa.Table:
    names = sorted(set().union(*records))
    columns = {name: [record.get(name) for record in records] for name in names}
    return pa.table(columns, pa.schema([(name, pa.string()) for name in names]))


@dataclass
class World:
    """A lakehouse, and beside it what should be in it: source and reference records, and what people decided."""

    lake: Lakehouse
    bronze: Bronze
    matchers: dict[str, Matcher]
    rng: np.random.Generator
    source: dict[Key, Record] = field(default_factory=dict)
    reference: dict[str, Record] = field(default_factory=dict)
    reviews: dict[Key, str | None] = field(default_factory=dict)
    unused: list[Record] = field(default_factory=list)
    model: str = "first"
    rescore: bool = False
    runs: int = 0
    entities: list[str] = field(default_factory=list)

    # -- what happens on a day

    def come(self) -> None:
        """Records come, some under a key that another system has, some of a system that fills few columns."""
        for _ in range(3):
            record = self.unused.pop() if self.unused else dict(self.some(self.source))
            system = "erp" if self.rng.random() < 0.5 else "crm"
            key = self.pick(self.source)[1] if self.rng.random() < 0.4 else f"n{len(self.source)}-{self.runs}"
            given = {name: value for name, value in record.items() if name in ("company_name", "country")}
            self.source[system, key] = {**record, "source_id": key} if system == "crm" else {**given, "source_id": key}

    def edit(self) -> None:
        """Records change: a name, or a column that only some have."""
        for _ in range(3):
            record = self.some(self.source)
            record["company_name"] = self.rng.choice([self.misspelt(record), self.some(self.reference)["company_name"]])
        few = {key: row for key, row in self.source.items() if key[0] == "erp"}
        if few and self.rng.random() < 0.5:
            self.some(few)["city"] = "Paris"

    def go(self) -> None:
        """Records go, and one moves to another system."""
        for _ in range(2):
            del self.source[self.pick(self.source)]
        system, key = self.pick({key: row for key, row in self.source.items() if key[0] == "crm"})
        self.source["moved", key] = self.source.pop((system, key))

    def reference_grows(self) -> None:
        """Entities come: doubles of known ones, near doubles, and what a source record says."""
        wordings = [
            self.some(self.reference),
            {**self.some(self.reference), "city": "Reykjavik"},
            self.some(self.source),
        ]
        wordings[1]["company_name"] = self.misspelt(wordings[1])
        for number, wording in enumerate(wordings):
            known = {name: value for name, value in wording.items() if name in self.columns}
            self.reference[f"N{self.runs}-{number}"] = {**known, "company_id": f"N{self.runs}-{number}"}

    def reference_changes(self) -> None:
        """Entities are renamed, or lose their identifier; some are what records were matched with."""
        for _ in range(3):
            entity = self.reference[self.matched()]
            entity["company_name"] = self.misspelt(entity)
        self.reference[self.matched()].pop("isin", None)

    def reference_shrinks(self) -> None:
        """Entities go."""
        for entity in {self.matched(), self.pick(self.reference), self.pick(self.reference)}:
            del self.reference[entity]

    def people_decide(self) -> None:
        """People decide on some records, for entities that are there or not, and take one decision back."""
        taken_back = [self.pick(self.reviews)] if self.reviews else []
        for entity in (self.pick(self.reference), None, "nowhere"):
            self.reviews[self.pick(self.source)] = entity
        for key in taken_back:
            self.reviews.pop(key, None)

    def another_model(self) -> None:
        """A model is put in force; what the other one decided stays."""
        self.model = "second" if self.model == "first" else "first"

    def another_model_for_all(self) -> None:
        """A model is put in force, and decides anew."""
        self.another_model()
        self.rescore = True

    # -- tools

    @property
    def columns(self) -> list[str]:
        return list(map(str, self.bronze.companies.reference.column_names))

    def pick(self, given: dict[Any, Any]) -> Any:
        """Return a key."""
        keys = sorted(given, key=str)
        return keys[int(self.rng.integers(len(keys)))]

    def some(self, given: dict[Any, Record]) -> Record:
        """Return a record."""
        return given[self.pick(given)]

    def matched(self) -> str:
        """Return an entity that is there, mostly one that a record was matched with."""
        found = [entity for entity in self.entities if entity in self.reference]
        return (
            str(self.rng.choice(sorted(found))) if found and self.rng.random() < 0.8 else str(self.pick(self.reference))
        )

    def misspelt(self, record: Record) -> str:
        name = record["company_name"]
        place = int(self.rng.integers(len(name)))
        return f"{name[:place]}{name[place + 1 :]} {self.rng.choice(['Holding', 'Group', 'Intl'])}"

    # -- the lakehouse

    def store(self) -> None:
        """Put what should be there into bronze, and the decisions of people into gold."""
        for system in sorted({system for system, _ in self.source}):
            self.bronze.source(
                self.lake, table_of([row for key, row in self.source.items() if key[0] == system]), system
            )
        self._keep(SOURCE_ENTITIES, set(self.source))
        self.bronze.reference(self.lake, table_of(list(self.reference.values())))
        stamp = pa.array([datetime(2026, 3, 1)] * len(self.reviews), pa.timestamp("us", "UTC"))  # noqa: DTZ001 - in UTC
        decided = {
            "source_system": [system for system, _ in self.reviews],
            "source_id": [key for _, key in self.reviews],
            "decision": ["no_match" if entity is None else "match" for entity in self.reviews.values()],
            "entity_id": pa.array(list(self.reviews.values()), pa.string()),
            "decided_by": ["ann"] * len(self.reviews),
            "note": pa.nulls(len(self.reviews), pa.string()),
            "decided_at": stamp,
        }
        if self.reviews:
            fill(self.lake, REVIEW_DECISIONS, pa.table(decided))
        self._keep(REVIEW_DECISIONS, set(self.reviews))

    def _keep(self, table: Table, keys: set[Key]) -> None:
        """Delete other rows."""
        there = self.lake.read(table).select("source_system", "source_id").toArrow()
        systems, ids = ([row[name] for row in there.to_pylist() if (row["source_system"], row["source_id"]) not in keys]
                        for name in ("source_system", "source_id"))  # fmt: skip
        if ids:
            write_results.delete(
                self.lake, table, self.lake.frame(pa.table({"source_system": systems, "source_id": ids}))
            )

    def run(self, **given: Any) -> None:
        """Run the stages."""
        if current(self.lake.settings) != self.model:
            publish(self.lake.settings, self.matchers[self.model], self.model)
        self.runs += 1
        start = datetime(2026, 4, 1) + timedelta(days=self.runs)  # noqa: DTZ001 - in UTC
        times = iter(range(1_000))
        context = Context(self.lake, f"run-{self.runs}", lambda: start + timedelta(seconds=next(times)))
        for stage in STAGES:
            own = given if stage is exact_match.JOB else {}
            stage.recorded(context, stage.parameters.model_validate(own))

    def gold(self) -> dict[Key, dict[str, Any]]:
        found = self.lake.read(MATCHED_ENTITIES).toArrow().to_pylist()
        self.entities = [row["entity_id"] for row in found]
        return {(row["source_system"], row["source_id"]): row for row in found}

    # -- what should be in gold

    def anew(self, models: dict[Key, str]) -> dict[Key, tuple[Decided, float]]:
        """Match every record anew, each with its model: decision, entity and confidence."""
        found: dict[Key, tuple[Decided, float]] = {}
        reference = table_of([self.reference[key] for key in sorted(self.reference)])
        for version in set(models.values()):
            matcher = self.matchers[version]
            prepared = matcher.prepare(reference)
            for system in sorted({key[0] for key in models}):
                records = table_of([row for key, row in self.source.items() if key[0] == system])
                for row in matcher.match_prepared(records, prepared).to_pylist():
                    if models[system, row["source_key"]] == version:
                        found[system, row["source_key"]] = self.judged((system, row["source_key"]), row)
        return found

    def judged(self, key: Key, row: dict[str, Any]) -> tuple[Decided, float]:
        """Put what a person decided in place of what the model did."""
        if key not in self.reviews:
            return (row["decision"], row["entity_id"]), row["confidence"]
        entity = self.reviews[key]
        if entity is None:
            return ("no_match", None), 1.0
        if entity in self.reference:
            return ("match", entity), 1.0
        if not row["candidates"]:
            return ("review", None), 0.0
        return ("review", row["candidates"][0]["entity_id"]), row["candidates"][0]["confidence"]


@pytest.fixture(scope="module")
def matchers(bronze: Bronze, plain_matcher: Matcher) -> dict[str, Matcher]:
    """Return two models that read and search alike."""
    companies = bronze.companies
    scorer = replace(plain_matcher.settings.scorer, trees=8, learning_rate=0.4)
    settings = replace(plain_matcher.settings, scorer=scorer)
    labels = companies.labels.slice(0, 50)
    second = Matcher.train(companies.source, companies.reference, labels, schema=companies.schema, settings=settings)
    return {"first": plain_matcher, "second": second}


@pytest.fixture
def make_world(
    open_lake: Callable[[], Lakehouse], bronze: Bronze, matchers: dict[str, Matcher]
) -> Iterator[Callable[[int], World]]:
    """Return a maker of lakehouses in which all was matched once, by the seed of what is to come."""

    def make(seed: int) -> World:
        lake = open_lake()
        lake.settings.artifacts.mkdir(parents=True)
        (lake.settings.artifacts / "schema.yml").write_text(bronze.companies.schema.to_yaml(), encoding="utf-8")
        world = World(lake, bronze, matchers, np.random.default_rng(seed))
        records = rows(bronze.companies.source)
        world.rng.shuffle(records)
        world.source = {("crm", record["source_id"]): record for record in records[:50]}
        world.unused = records[50:]
        world.reference = {record["company_id"]: record for record in rows(bronze.companies.reference)}
        world.store()
        world.run()
        world.gold()
        return world

    yield make


EVENTS: tuple[Callable[[World], None], ...] = (
    World.come, World.edit, World.go, World.reference_grows, World.reference_changes, World.reference_shrinks,
    World.people_decide, World.another_model, World.another_model_for_all,
)  # fmt: skip


def check(world: World, day: str) -> None:
    """Check that gold is what matching everything anew gives; a confidence that was not computed anew may be near."""
    gold = world.gold()
    wanted = world.anew({key: row["model_version"] for key, row in gold.items()})
    found = {key: (row["decision"], row["entity_id"]) for key, row in gold.items()}
    assert found == {key: decided for key, (decided, _) in wanted.items()}, day
    assert set(found) == set(world.source)
    for key, row in gold.items():
        off = abs(row["confidence"] - wanted[key][1])
        assert off < (1e-6 if row["run_id"] == f"run-{world.runs}" and key not in world.reviews else NEAR), (day, key)


@pytest.mark.parametrize("seed", range(2))
def test_after_each_day_gold_is_what_matching_everything_anew_gives(
    make_world: Callable[[int], World], seed: int
) -> None:
    world = make_world(seed)
    for day, events in enumerate(np.array_split(world.rng.permutation(len(EVENTS)), 3)):
        names = [EVENTS[number].__name__ for number in events]
        world.rescore = False
        for number in events:
            EVENTS[number](world)
        world.store()
        world.run(rescore=world.rescore)
        check(world, f"day {day}: {names}")
        if world.rescore:
            assert {row["model_version"] for row in world.gold().values()} == {world.model}


def test_a_column_that_a_system_gains_counts_for_all_of_its_records(make_world: Callable[[int], World]) -> None:
    world = make_world(0)
    assert not any("city" in record for record in world.source.values())
    world.some(world.source)["city"] = "Paris"
    world.store()
    world.run()
    check(world, "one record has a city")
    assert all(row["run_id"] == "run-2" for row in world.gold().values())
