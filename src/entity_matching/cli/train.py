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
    ditto: Annotated[
        bool,
        typer.Option("--ditto", help="Train Ditto too: a language model for the hard cases (takes minutes)."),
    ] = False,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder",
            metavar="NAME",
            help="What Ditto starts from: 'minilm' (needs no network), a folder, or a name on the Hugging Face hub.",
        ),
    ] = "minilm",
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", min=1, help="Passes over the labels, at most.", show_default=False),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="What Ditto is trained on: auto, cpu or cuda.")
    ] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a model that 'match --model' takes.

    Without labels it learns from noisy copies of the reference's own records. With --ditto a training that was
    killed goes on where it stood when the same command is given again: it keeps checkpoints beside MODEL.
    """
    from dataclasses import replace

    from entity_matching.cli.inputs import read_inputs, settings_for
    from entity_matching.cli.models import check_model_folder, checkpoints_of
    from entity_matching.config import DittoSettings

    if not ditto and (encoder, epochs, device) != ("minilm", None, "auto"):
        raise typer.BadParameter(
            "--encoder, --epochs and --device are about Ditto; add --ditto.", param_hint="'--ditto'"
        )
    started = time.perf_counter()
    terminal = Terminal(as_json)
    check_model_folder(out)
    inputs = read_inputs(source, reference, schema, terminal)
    known = None if labels is None else inputs.labels(labels)
    from entity_matching.matcher import Matcher

    settings = settings_for(target_precision)
    if ditto:
        wanted = DittoSettings(encoder=encoder, device=device)
        settings = replace(settings, ditto=wanted if epochs is None else replace(wanted, epochs=epochs))
    with checkpoints_of(out, wanted=ditto) as checkpoints, terminal.progress() as progress:
        matcher = Matcher.train(
            inputs.source.table,
            inputs.reference.table,
            known,
            schema=inputs.schema,
            settings=settings,
            progress=progress,
            checkpoints=checkpoints,
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
