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
BROAD = 24
"""Characters of a column that is broad enough for texts of any length, over several lines."""


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
    from entity_matching.cli.statements import CHANGING, READING, verb

    if as_csv and as_json:
        raise typer.BadParameter("choose one of --csv and --json.", param_hint="'--csv'")
    settings, does = settings_of(catalog, target, home), verb(statement)
    if does not in READING and not write:
        raise typer.BadParameter(
            f"only statements that read are run ({', '.join(READING)}). If it is meant to write, add --write.",
            param_hint="'STATEMENT'",
        )
    _check_lasts(does, settings)
    terminal = Terminal(as_json or as_csv)
    wanted = limit if limit is not None else 0 if as_csv or as_json else USUAL_LIMIT
    result = _ask(settings, statement.rstrip().rstrip(";"), wanted, write=write)
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
    elif does in CHANGING:
        terminal.say("Done.")  # Sail's count of the rows is 0 where it takes whole files away
    else:
        _show(result, terminal)


def _check_lasts(does: str, settings: LakehouseSettings) -> None:
    """Refuse what Sail would do to its own list of tables only, which ends with the command."""
    from entity_matching.cli.statements import CHANGING, READING
    from entity_matching.lakehouse.settings import LOCAL

    if settings.target == LOCAL and does not in (*READING, *CHANGING):
        raise SettingsError(
            f"{does} would not outlast this command: on this machine tables are made and changed by "
            "'entity-matching run setup-unity-catalog' alone.",
            remedy=f"Statements that write rows are {', '.join(CHANGING)}.",
        )


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
    from entity_matching.jobs.destinations import register_all
    from entity_matching.lakehouse.lock import exclusive_run

    with exclusive_run(settings) if write else nullcontext(), opened(settings) as lake:
        if lake.is_local:
            register_all(lake)
            told = described(lake, statement)
            if told is not None:
                return told
        else:
            lake.spark.catalog.setCurrentCatalog(settings.catalog)
        frame = lake.spark.sql(statement)
        return (frame.limit(limit + 1) if limit and not write else frame).toArrow()


def _show(result: pa.Table, terminal: Terminal) -> None:
    """Print a table, long texts in it over several lines; where that is too wide, one block of lines per row."""
    names = result.column_names
    rows = [
        [_short(value, kind)[:LONGEST_CELL] for value, kind in zip(row, result.schema.types, strict=True)]
        for row in _rows(result)
    ]
    widths = [max([len(name), *(len(row[place]) for row in rows)]) for place, name in enumerate(names)]
    if sum(min(width, max(BROAD, len(name))) + 3 for width, name in zip(widths, names, strict=True)) < terminal_width():
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


def _short(value: Any, kind: pa.DataType) -> str:
    """Return a value as people read it: six digits, times without their zone."""
    import pyarrow.types as pt

    if isinstance(value, float):
        return f"{value:.6g}"
    return _text(value).removesuffix("+00:00").removesuffix("000") if pt.is_timestamp(kind) else _text(value)


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
