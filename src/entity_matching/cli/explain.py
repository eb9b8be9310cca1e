"""``entity-matching explain``."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid
from entity_matching.cli.options import AsJson, Reference, Source


def explain(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model trained with Ditto: its folder, 'champion' or a number.")
    ],
    source: Source,
    reference: Reference,
    pair: Annotated[
        list[str],
        typer.Option(
            "--pair",
            metavar="SOURCE_KEY=REFERENCE_KEY",
            help="A source record and the reference record to compare it with; may be given several times.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what each attribute adds to Ditto's verdict on a pair of records, by leaving it out."""
    import pyarrow as pa

    from entity_matching.cli.inputs import read_inputs
    from entity_matching.cli.models import load_model

    terminal = Terminal(as_json)
    sides = [one.split("=", 1) for one in pair]
    wrong = next((one for one, parts in zip(pair, sides, strict=True) if len(parts) != 2), None)
    if wrong is not None:
        raise typer.BadParameter(f"'{wrong}' is not two keys with '=' between them.", param_hint="'--pair'")
    matcher = load_model(model)
    inputs = read_inputs(source, reference, matcher.schema, terminal)
    keys = {name: [parts[at] for parts in sides] for at, name in enumerate(("source_key", "reference_key"))}
    found = matcher.contributions(inputs.source.table, inputs.reference.table, pa.table(keys))
    table = grid("What each attribute adds", "source", "reference", "#probability", "attribute", "#contribution")
    rows: list[dict[str, Any]] = found.to_pylist()
    for row in rows:
        table.add_row(
            escape(row["source_key"]),
            escape(row["reference_key"]),
            f"{row['probability']:.3f}",
            escape(row["attribute"]),
            f"{row['contribution']:+.3f}",
        )
    terminal.show(table)
    terminal.result({"contributions": rows})
