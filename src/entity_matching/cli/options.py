"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FORMATS = "CSV, TSV, Parquet, JSON lines or Excel, told by the extension"


def _share(value: float | None) -> float | None:
    if value is not None and not 0 < value <= 1:
        raise typer.BadParameter(f"{value} is not a share above 0, at most 1 (for instance 0.98).")
    return value


Source = Annotated[str, typer.Argument(metavar="SOURCE", help=f"The messy records: {FORMATS}.", show_default=False)]
Reference = Annotated[str, typer.Argument(metavar="REFERENCE", help="The master list, likewise.", show_default=False)]
SchemaFile = Annotated[
    Path | None,
    typer.Option(
        "--schema",
        metavar="FILE",
        help="What the columns hold, as YAML. Without it, this is guessed and printed.",
        show_default=False,
    ),
]
LabelsFile = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="What is known: the source's key and the reference's key (empty: it is in the reference nowhere).",
        show_default=False,
    ),
]
RequiredLabels = Annotated[
    str,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="The truth: the source's key and the reference's key (empty: it is in the reference nowhere).",
        show_default=False,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="A model: the folder that 'entity-matching train' wrote, or a registered one: 'champion', a version's "
        "number, or models:/NAME@ALIAS.",
        show_default=False,
    ),
]
TargetPrecision = Annotated[
    float | None,
    typer.Option(
        "--target-precision",
        metavar="P",
        callback=_share,
        help="Share of the automatic matches that must be right, above 0, at most 1 (default 0.98).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Catalog = Annotated[
    str | None,
    typer.Option("--catalog", metavar="NAME", help="The catalog (default: entity_matching).", show_default=False),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="TARGET",
        help="Where the tables are: local (default), sc://host:port, or databricks.",
        show_default=False,
    ),
]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Folder of the local tables (default: ENTITY_MATCHING_HOME, else .entity-matching).",
        show_default=False,
    ),
]
