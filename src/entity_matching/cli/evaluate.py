"""``entity-matching evaluate``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from entity_matching.cli.console import Terminal, grid, records
from entity_matching.cli.models import load_model, match_with
from entity_matching.cli.options import (
    AsJson,
    ModelName,
    Reference,
    RequiredLabels,
    SchemaFile,
    Source,
    TargetPrecision,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from entity_matching.cli.inputs import Inputs
    from entity_matching.config import MatcherSettings
    from entity_matching.evaluate import Evaluation
    from entity_matching.evaluate.bootstrap import Estimate
    from entity_matching.matcher import Matcher


def evaluate(
    source: Source,
    reference: Reference,
    labels: RequiredLabels,
    model: ModelName = None,
    schema: SchemaFile = None,
    target_precision: TargetPrecision = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write an HTML report: curves, calibration, thresholds, the worst errors side by side.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how good a match is, against labels.

    With --model, that model is measured; it should not have seen these labels. Without, the labels are split by
    entity, and each record is decided by a model that was trained on the others.
    """
    if model is not None and schema is not None:
        raise typer.BadParameter("a model brings its own; leave out --schema.", param_hint="'--model'")
    from entity_matching.cli.inputs import settings_for
    from entity_matching.evaluate import evaluate_matches, write_report
    from entity_matching.files.paths import check_target

    started = time.perf_counter()
    terminal = Terminal(as_json)
    if report is not None:
        check_target(report)
    settings = settings_for(target_precision, listed=settings_for(None).search.limit)
    if model is not None:
        measured = _with_model(source, reference, labels, load_model(model, target_precision), terminal)
    else:
        measured = _crossvalidated(source, reference, labels, schema, settings, terminal)
    evaluation = evaluate_matches(
        measured.result,
        measured.labels,
        target_precision=settings.decision.target_precision,
        columns=measured.inputs.categories(measured.result.column("source_key").to_pylist()),
        seen=measured.seen,
    ).with_details(measured.details)
    if report is not None:
        write_report(
            evaluation,
            result=measured.result,
            labels=measured.labels,
            source=measured.inputs.source.table,
            reference=measured.inputs.reference.table,
            schema=measured.inputs.schema,
            path=report,
        )
    show_evaluation(evaluation, terminal)
    seconds = time.perf_counter() - started
    place = f" Report: {report}" if report is not None else ""
    terminal.say(f"{records(evaluation.records, 'labelled record')} in {seconds:.1f} s.{place}")
    terminal.result({**evaluation.to_dict(), "report": str(report) if report else None, "seconds": round(seconds, 3)})


class _Measured(NamedTuple):
    """A result and what it is measured against."""

    inputs: Inputs
    labels: pa.Table
    result: pa.Table
    details: dict[str, Any]
    seen: tuple[str, ...] | None = None


def _with_model(source: str, reference: str, labels: str, matcher: Matcher, terminal: Terminal) -> _Measured:
    from entity_matching.cli.inputs import read_inputs

    inputs = read_inputs(source, reference, matcher.schema, terminal)
    known = inputs.labels(labels)
    with terminal.progress() as progress:
        result = match_with(matcher, inputs, progress, inputs.labelled(known))
    return _Measured(inputs, known, result, matcher.describe(), matcher.model.entities or None)


def _crossvalidated(
    source: str, reference: str, labels: str, schema: Path | None, settings: MatcherSettings, terminal: Terminal
) -> _Measured:
    from entity_matching.cli.inputs import read_inputs
    from entity_matching.matcher import crossvalidate

    inputs = read_inputs(source, reference, schema, terminal)
    known = inputs.labels(labels)
    with terminal.progress() as progress:
        result = crossvalidate(
            inputs.source.table,
            inputs.reference.table,
            known,
            schema=inputs.schema,
            settings=settings,
            progress=progress,
        )
    return _Measured(inputs, known, result, {"protocol": "cross-validated by entity", "settings": settings.to_dict()})


def show_evaluation(evaluation: Evaluation, terminal: Terminal, title: str = "Quality") -> None:
    """Print the figures of an evaluation."""
    table = grid(title, "figure", "#value", "#95% interval", "what it is")
    rows = {
        "precision": (evaluation.precision, "of the automatic matches, the share that is right"),
        "recall": (evaluation.recall, "of the records with a counterpart, the share matched to it automatically"),
        "F1": (evaluation.f1, "of the two"),
        **{
            f"recall at precision {at:g}": (value, "the most that the confidence allows at that precision")
            for at, value in evaluation.recall_at_precision.items()
        },
        "review": (evaluation.review, "share sent to a person"),
        **{
            f"candidate recall @{rank}": (value, "the right record is among the first so many candidates")
            for rank, value in evaluation.candidate_recall.items()
            if rank <= evaluation.listed
        },
        "calibration error": (evaluation.ece, "expected difference of confidence and truth; lower is better"),
    }
    for name, (estimate, meaning) in rows.items():
        table.add_row(name, _number(estimate.value), _interval(estimate), meaning)
    for part in evaluation.slices.get("entity", ()):
        if part.with_counterpart:
            table.add_row(f"F1, entity {part.value}", _number(part.f1), "", f"of {records(part.records)}")
    terminal.show(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(estimate: Estimate) -> str:
    return "" if estimate.low is None else f"{_number(estimate.low)} to {_number(estimate.high)}"
