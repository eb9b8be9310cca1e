"""Two nights of the pipeline, the same on Sail with Delta tables and on Apache Spark."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from entity_matching.files import read_labels, read_table
from entity_matching.files.write import write_table
from entity_matching.jobs import (
    exact_match,
    generate_metrics,
    ingest_source_entities,
    models,
    score_candidates,
    setup_unity_catalog,
    train_ditto_model,
    write_results,
)
from entity_matching.jobs.job import Context, Job
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.names import quoted
from entity_matching.lakehouse.tables import REVIEW_DECISIONS, TABLES, VIEWS
from entity_matching.lakehouse.writes import merge
from entity_matching.schema import Key

EXAMPLE = Path(__file__).parents[3] / "examples" / "companies"
QUICK = {
    "search": {"limit": 8, "threads": 1},
    "scorer": {"trees": 30, "learning_rate": 0.2, "folds": 2, "synthetic_records": 100, "threads": 1},
}
BEGIN = datetime(2026, 3, 1, 4, tzinfo=UTC)
ODD = "a.b `c` 'd' \"e\" \\f {run} ü \U0001f98a"
"""Name of a column whose every character has a meaning somewhere."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Files:
    """What comes in: a part of the example, the second night with a few changes."""

    folder: Path

    @classmethod
    def write(cls, folder: Path) -> Files:
        rows = read_table(EXAMPLE / "source.csv").to_pylist()[:62]
        key = Key(source="source_id", reference="company_id")
        labels = pa.concat_tables([read_labels(EXAMPLE / name, key) for name in ("labels.csv", "heldout.csv")])
        truth = dict(zip(*(labels.column(name).to_pylist() for name in ("source_key", "reference_key")), strict=True))
        wanted = {truth[row["source_id"]] for row in rows}
        reference = [
            row
            for number, row in enumerate(read_table(EXAMPLE / "reference.csv").to_pylist())
            if row["company_id"] in wanted or number % 8 == 0
        ]
        isin = {row["company_id"]: row["isin"] for row in reference}
        rows = [
            {
                **row,
                "isin": isin.get(truth[row["source_id"]], "") if number % 4 == 0 else "",
                ODD: f"{number} {ODD}\n$1",
            }
            for number, row in enumerate(rows)
        ]
        files = cls(folder)
        files.put(
            "labels", [{"source_id": row["source_id"], "company_id": truth[row["source_id"]]} for row in rows[:40]]
        )
        files.put("reference-1", reference)
        files.put("reference-2", [{**reference[3], "company_name": "Renamed Holding"}, *reference[4:]])
        twice = [rows[0], {**rows[1], "company_name": "Contradiction"}, {**rows[2], "source_id": ""}]
        files.put("crm-1", [*rows[:60], *twice])
        files.put("crm-2", [*({**row, "company_name": f"{row['company_name']} X"} for row in rows[:5]), *rows[6:62]])
        (folder / "schema.yml").write_bytes((EXAMPLE / "schema.yml").read_bytes())
        (folder / "settings.yml").write_text(yaml.safe_dump(QUICK), encoding="utf-8")
        return files

    def put(self, name: str, rows: list[Row]) -> None:
        write_table(pa.Table.from_pylist(rows), self.folder / f"{name}.csv")

    def __call__(self, name: str) -> str:
        return str(self.folder / name)

    @property
    def erp(self) -> pa.Table:
        """The rows of a table of another system, with columns of many types."""
        rows = read_table(EXAMPLE / "source.csv").slice(90, 20)
        count = range(rows.num_rows)
        times = [datetime(2026, 2, 28, 23, 59, number, 120_000, tzinfo=UTC) for number in count]
        return pa.table(
            {
                "source_id": pa.array([number * 10**10 for number in count], pa.int64()),
                "company_name": rows["company_name"],
                "country": rows["country"],
                "exchange": rows["exchange"],
                "employees": pa.array([None if number % 3 else number for number in count], pa.int32()),
                "revenue": pa.array([number * 1e7 / 3 for number in count], pa.float64()),
                "price": pa.array([Decimal(f"{number}.50") for number in count], pa.decimal128(10, 2)),
                "listed": pa.array([date(1990 + number, 1, 31) for number in count], pa.date32()),
                "updated": pa.array(times, pa.timestamp("us", "UTC")),
                "active": pa.array([number % 2 == 0 for number in count], pa.bool_()),
            }
        )


@dataclass
class Nights:
    """A lakehouse, and what was in its tables after each night."""

    lake: Lakehouse
    files: Files
    tables: list[dict[str, list[Row]]] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    model: bytes = b""
    _jobs: int = 0

    def play(self) -> None:
        """Set up, train, match; the next day people review, and what comes is different."""
        files = self.files
        given = {"schema": files("schema.yml"), "reference": files("reference-1.csv"), "labels": files("labels.csv")}
        self.do(setup_unity_catalog.JOB, "setup", source_system="crm", **given)
        self._land(files.erp)
        self.do(ingest_source_entities.JOB, "night-1", source=files("crm-1.csv"), source_system="crm")
        self.do(ingest_source_entities.JOB, "night-1b", source="landing.erp")
        self.do(train_ditto_model.JOB, "training", ditto=False, settings=files("settings.yml"))
        self.model = (models.model_folder(self.lake.settings) / "scorer.txt").read_bytes()
        self._match("night-1")
        self._review()
        self.do(
            ingest_source_entities.JOB, "night-2", source=files("crm-2.csv"), source_system="crm", feed="snapshot",
            reference=files("reference-2.csv"),
        )  # fmt: skip
        self._match("night-2")

    def do(self, job: Job[Any], run: str, /, **given: Any) -> None:
        """Do a job, an hour after the last; no time passes while it runs."""
        self._jobs += 1
        time = BEGIN + timedelta(hours=self._jobs)
        context = Context(self.lake, run, lambda: time)
        self.figures.append(dict(job.recorded(context, job.parameters.model_validate(given))))

    def _match(self, run_id: str) -> None:
        self.do(exact_match.JOB, run_id, partitions=2)
        self.do(score_candidates.JOB, run_id, partitions=2)
        self.do(write_results.JOB, run_id)
        self.do(generate_metrics.JOB, run_id, run_id=run_id)
        self.tables.append({thing.full_name: self._rows(thing) for thing in (*TABLES, *VIEWS)})

    def _land(self, rows: pa.Table) -> None:
        schema, name = (quoted(self.lake.settings.catalog, *parts) for parts in (["landing"], ["landing", "erp"]))
        self.lake.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        where = f" LOCATION '{self.files.folder / 'landing'}'" if self.lake.is_local else ""
        self.lake.spark.sql(
            f"CREATE TABLE {name} (source_id BIGINT, company_name STRING, country STRING, exchange STRING,"
            " employees INT, revenue DOUBLE, price DECIMAL(10, 2), listed DATE, updated TIMESTAMP, active BOOLEAN)"
            f" USING PARQUET{where}"
        )
        self.lake.frame(rows).write.insertInto(name)

    def _review(self) -> None:
        """Have a person decide a record that waits for one, and another that does not."""
        gold = self.tables[-1]["gold.matched_entities"]
        match = next(row for row in gold if row["decision"] == "review")
        other = next(row for row in gold if row["decision"] == "match")
        rows = {
            **{name: [match[name], other[name]] for name in ("source_system", "source_id")},
            "decision": ["match", "no_match"],
            "entity_id": [match["entity_id"], None],
            "decided_by": ["ann", "bob"],
            "note": [None, "another company"],
            "decided_at": pa.array([BEGIN + timedelta(hours=self._jobs, minutes=30)] * 2, pa.timestamp("us", "UTC")),
        }
        merge(self.lake, REVIEW_DECISIONS, self.lake.frame(pa.table(rows)))

    def _rows(self, thing: Any) -> list[Row]:
        rows: list[Row] = self.lake.read(thing).toArrow().to_pylist(maps_as_pydicts="strict")
        key = getattr(thing, "key", None)
        return sorted(rows, key=lambda row: [row[name] for name in key]) if key else rows


@pytest.fixture(scope="session")
def on_spark(lake: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    nights = Nights(lake, Files.write(tmp_path_factory.mktemp("files")))
    nights.play()
    return nights


@pytest.fixture(scope="session")
def on_sail(on_spark: Nights, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    settings = LakehouseSettings(catalog=on_spark.lake.settings.catalog, home=tmp_path_factory.mktemp("home"))
    with open_lakehouse(settings) as lake:
        nights = Nights(lake, on_spark.files)
        nights.play()
        return nights
