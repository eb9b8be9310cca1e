"""``entity-matching train``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from entity_matching.cli.console import Terminal, records
from entity_matching.cli.options import AsJson, LabelsFile, Reference, SchemaFile, Source, TargetPrecision


def train(
    source: Source,
    reference: Reference,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="MODEL", help="The folder to write the model to.", show_default=False),
    ],
    labels: LabelsFile = None,
    schema: SchemaFile = None,
    target_precision: TargetPrecision = None,
    as_json: AsJson = False,
) -> None:
    """Train a model that 'match --model' takes.

    Without labels it learns from noisy copies of the reference's own records.
    """
    from entity_matching.cli.inputs import read_inputs, settings_for
    from entity_matching.cli.models import check_model_folder

    started = time.perf_counter()
    terminal = Terminal(as_json)
    check_model_folder(out)
    inputs = read_inputs(source, reference, schema, terminal)
    known = None if labels is None else inputs.labels(labels)
    from entity_matching.matcher import Matcher

    with terminal.progress() as progress:
        matcher = Matcher.train(
            inputs.source.table,
            inputs.reference.table,
            known,
            schema=inputs.schema,
            settings=settings_for(target_precision),
            progress=progress,
        )
    matcher.save(out)
    seconds = time.perf_counter() - started
    thresholds = matcher.thresholds
    count = 0 if known is None else known.num_rows
    terminal.say(
        f"Trained on {records(count, 'label') if count else 'copies of the reference (no labels)'} in {seconds:.1f} s. "
        f"Match from confidence {thresholds.match:.3f}, review from {thresholds.review:.3f}. Written to {out}"
    )
    terminal.result({"output": str(out), "labels": count, "seconds": round(seconds, 3), "model": matcher.describe()})
