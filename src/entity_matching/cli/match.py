"""``entity-matching match``."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entity_matching.cli.console import Terminal, grid, records
from entity_matching.cli.options import (
    AsJson,
    LabelsFile,
    ModelName,
    Reference,
    SchemaFile,
    Source,
    TargetPrecision,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from entity_matching.cli.inputs import Inputs

OURS = ("decision", "entity_id", "confidence", "method", "reason", "candidates")
"""The columns a match adds to the source's own."""
DIGITS = 6
"""Decimals of a confidence in a file."""


def match(
    source: Source,
    reference: Reference,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="The file to write: the source's columns, then decision, entity_id, confidence, method, reason "
            "and candidates. The extension tells the format.",
            show_default=False,
        ),
    ],
    schema: SchemaFile = None,
    model: ModelName = None,
    labels: LabelsFile = None,
    target_precision: TargetPrecision = None,
    no_cascade: Annotated[
        bool,
        typer.Option("--no-cascade", help="Send every candidate to the model's Ditto, not only the doubtful ones."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Match a table against a reference, and write the decision on each of its records.

    Nothing but the two tables is needed; labels, or a model trained with some, make it better.
    """
    if model is not None and (labels is not None or schema is not None):
        other = "--labels" if labels is not None else "--schema"
        raise typer.BadParameter(f"a model brings its own; leave out {other}.", param_hint="'--model'")
    if no_cascade and model is None:
        raise typer.BadParameter("it needs a model with Ditto; name it with --model.", param_hint="'--no-cascade'")
    from entity_matching.cli.inputs import read_inputs
    from entity_matching.cli.models import load_model, match_with
    from entity_matching.files import check_output, write_table
    from entity_matching.files.write import check_fits

    started = time.perf_counter()
    terminal = Terminal(as_json)
    target = check_output(out, [path for path in (source, reference, labels) if path is not None])
    matcher = None if model is None else load_model(model, target_precision)
    if matcher is not None and no_cascade:
        matcher = matcher.without_cascade()
    inputs = read_inputs(source, reference, schema if matcher is None else matcher.schema, terminal)
    check_fits(inputs.source.table, target)
    if matcher is not None:
        with terminal.progress() as progress:
            result = match_with(matcher, inputs, progress)
    else:
        result = _match(inputs, labels, target_precision, terminal)
    table = with_result(inputs.source.table, result, terminal)
    write_table(table, out)
    _summarise(result, out, time.perf_counter() - started, terminal)


def _match(inputs: Inputs, labels: str | None, target_precision: float | None, terminal: Terminal) -> pa.Table:
    from entity_matching.cli.inputs import settings_for
    from entity_matching.matcher import match as match_tables

    known = None if labels is None else inputs.labels(labels)
    with terminal.progress() as progress:
        return match_tables(
            inputs.source.table,
            inputs.reference.table,
            labels=known,
            schema=inputs.schema,
            settings=settings_for(target_precision),
            progress=progress,
        )


def with_result(source: pa.Table, result: pa.Table, terminal: Terminal) -> pa.Table:
    """Return the source with the columns of the result beside its own; a name that is taken gets a prefix."""
    result = _rounded(result)
    for column in OURS:
        name = column
        while name in source.column_names:
            name = f"match_{name}"
        if name != column:
            terminal.note(f"The source has a column '{column}' of its own; ours is written as '{name}'.")
        source = source.append_column(name, result.column(column))
    return source


def _rounded(result: pa.Table) -> pa.Table:
    """Return the result with its confidences rounded: more digits say nothing, and clutter a text file."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    candidates = result.column("candidates").combine_chunks()
    listed = candidates.flatten()
    fields = [listed.field("entity_id"), pc.round(listed.field("confidence"), DIGITS)]
    offsets = pa.array(np.r_[0, np.cumsum(pc.fill_null(pc.list_value_length(candidates), 0))], pa.int32())
    rounded = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(fields, ["entity_id", "confidence"]))
    place = result.column_names.index("confidence")
    result = result.set_column(place, "confidence", pc.round(result.column("confidence"), DIGITS))
    return result.set_column(result.column_names.index("candidates"), "candidates", rounded)


def count(result: pa.Table) -> dict[str, dict[str, int]]:
    """Count the records of a result by decision, and the accepted ones by method."""
    decisions = Counter(result.column("decision").to_pylist())
    methods: Counter[str] = Counter()
    for decision, method in zip(
        result.column("decision").to_pylist(), result.column("method").to_pylist(), strict=True
    ):
        if decision == "match":
            methods[method] += 1
    return {
        "decisions": {decision: decisions[decision] for decision in ("match", "review", "no_match")},
        "methods": dict(sorted(methods.items())),
    }


def _summarise(result: pa.Table, out: str, seconds: float, terminal: Terminal) -> None:
    counts = count(result)
    table = grid("Decisions", "decision", "#records", "#share", "how")
    for decision, number in counts["decisions"].items():
        how = ", ".join(f"{method} {accepted:,}" for method, accepted in counts["methods"].items())
        share = number / max(1, result.num_rows)
        table.add_row(decision, f"{number:,}", f"{share:.1%}", how if decision == "match" else "")
    terminal.show(table)
    terminal.say(f"{records(result.num_rows)} in {seconds:.1f} s. Written to {out}")
    data: dict[str, Any] = {"output": out, "records": result.num_rows, **counts, "seconds": round(seconds, 3)}
    terminal.result(data)
