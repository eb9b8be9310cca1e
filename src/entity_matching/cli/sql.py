"""``entity-matching sql``."""

from __future__ import annotations

import csv
import json
import math
import sys
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entity_matching.cli.console import Terminal, grid, records, terminal_width
from entity_matching.cli.options import AsJson, Catalog, Home, Target
from entity_matching.errors import SettingsError

if TYPE_CHECKING:
    import pyarrow as pa

    from entity_matching.lakehouse import LakehouseSettings

USUAL_LIMIT = 100
"""Rows that are shown to people unless told otherwise; CSV and JSON have them all."""
LONGEST_CELL = 200
"""Characters of a value that are shown on a terminal."""


def sql(
    statement: Annotated[str, typer.Argument(metavar="STATEMENT", help="The statement, in quotes.")],
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            metavar="N",
            min=0,
            help="Rows to print, at most; 0: all (default: 100; all with --csv and --json).",
            show_default=False,
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the result as CSV on stdout.")] = False,
    as_json: AsJson = False,
    write: Annotated[
        bool, typer.Option("--write", help="Allow a statement that writes; it keeps runs away while it does.")
    ] = False,
    catalog: Catalog = None,
    target: Target = None,
    home: Home = None,
) -> None:
    """Ask the tables: entity-matching sql "SELECT decision, count(*) FROM gold.matched_entities GROUP BY decision".

    Tables are named by schema and name; 'SHOW TABLES IN gold' lists them. Times are UTC.
    """
    from entity_matching.cli.lakehouses import settings_of
    from entity_matching.cli.statements import READING, only_reads

    if as_csv and as_json:
        raise typer.BadParameter("choose one of --csv and --json.", param_hint="'--csv'")
    if not only_reads(statement) and not write:
        raise typer.BadParameter(
            f"only statements that read are run ({', '.join(READING)}). If it is meant to write, add --write; people's "
            "decisions and loads are better written by the jobs.",
            param_hint="'STATEMENT'",
        )
    terminal = Terminal(as_json or as_csv)
    wanted = limit if limit is not None else 0 if as_csv or as_json else USUAL_LIMIT
    result = _ask(settings_of(catalog, target, home), statement.rstrip().rstrip(";"), wanted, write=write)
    cut = bool(wanted) and result.num_rows > wanted
    if cut:
        result = result.slice(0, wanted)
        terminal.note(f"There are more rows than the {wanted:,} printed; --limit 0 prints all.")
    if as_csv:
        _print_csv(result)
    elif as_json:
        _check_names(result.column_names)
        rows = [dict(zip(result.column_names, row, strict=True)) for row in _rows(result)]
        Terminal(as_json=True).result({"columns": result.column_names, "rows": rows, "cut": cut})
    else:
        _show(result, terminal)


def _check_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(
            f"Two columns of the result are named '{twice[0]}', which JSON cannot hold.",
            remedy="Name one of them otherwise with AS.",
        )


def _ask(settings: LakehouseSettings, statement: str, limit: int, *, write: bool) -> pa.Table:
    """Return the result, with one row more than the limit if it has more."""
    from entity_matching.cli.describing import described
    from entity_matching.cli.lakehouses import opened
    from entity_matching.lakehouse.lock import exclusive_run

    with exclusive_run(settings) if write else nullcontext(), opened(settings) as lake:
        if lake.is_local:
            told = described(lake, statement)
            if told is not None:
                return told
        else:
            lake.spark.catalog.setCurrentCatalog(settings.catalog)
        frame = lake.spark.sql(statement)
        return (frame.limit(limit + 1) if limit and not write else frame).toArrow()


def _show(result: pa.Table, terminal: Terminal) -> None:
    """Print a table; where it is wider than the terminal, one block of lines per row."""
    names = result.column_names
    rows = [[_text(value)[:LONGEST_CELL] for value in row] for row in _rows(result)]
    widths = [max([len(name), *(len(row[place]) for row in rows)]) for place, name in enumerate(names)]
    if sum(widths) + 3 * len(names) + 1 <= terminal_width():
        right = [place for place, kind in enumerate(result.schema.types) if _is_number(kind)]
        table = grid("", *(f"#{name}" if place in right else name for place, name in enumerate(names)))
        for row in rows:
            table.add_row(*map(_escape, row))
        terminal.show(table)
    else:
        width = max(map(len, names))
        for number, row in enumerate(rows, start=1):
            terminal.say(f"--- {number}")
            for name, text in zip(names, row, strict=True):
                terminal.say(f"{name:<{width}}  {text}")
    terminal.say(records(result.num_rows, "row"))


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def _print_csv(result: pa.Table) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(result.column_names)
    for row in _rows(result):
        writer.writerow([_text(value) for value in row])
    sys.stdout.flush()


def _rows(result: pa.Table) -> list[tuple[Any, ...]]:
    columns = [[_plain(value, field.type) for value in column.to_pylist()]
               for field, column in zip(result.schema, result.columns, strict=True)]  # fmt: skip
    return list(zip(*columns, strict=True)) if columns else []


def _plain(value: Any, kind: pa.DataType) -> Any:
    """Return a value ready for JSON."""
    import pyarrow.types as pt

    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return _nested(value, kind) if pt.is_nested(kind) else _of_type(value)


def _nested(value: Any, kind: pa.DataType) -> Any:
    import pyarrow.types as pt

    if pt.is_map(kind):
        return {str(key): _plain(item, kind.item_type) for key, item in value}
    if pt.is_struct(kind):
        return {name: _plain(item, kind.field(name).type) for name, item in value.items()}
    return [_plain(item, kind.value_type) for item in value]


def _of_type(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.hex() if isinstance(value, bytes) else str(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
