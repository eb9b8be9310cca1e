"""``entity-matching endpoint query``: pairs or records to an endpoint, its answers as a table or JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from entity_matching.cli.console import Terminal, grid
from entity_matching.cli.options import AsJson, Catalog, Home
from entity_matching.errors import InputError

if TYPE_CHECKING:
    from entity_matching.serving.client import Client

LEFT, RIGHT = "left_entity", "right_entity"
PROTOCOL = ("dataframe_records", "dataframe_split", "inputs", "instances")
"""Keys of a request about pairs, one of which it has."""
SHOWN = 60
"""Characters of a value that a table shows."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    :param rows: pairs, or records to be matched.
    :param about_pairs: which of the two.
    :param whole: a request as it stands in a file, sent as it is.
    """

    rows: Sequence[dict[str, Any]] = ()
    about_pairs: bool = False
    whole: dict[str, Any] | None = field(default=None)


def query(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE]",
            help=f"Records to match, or pairs (columns {LEFT} and {RIGHT}): JSON, CSV, TSV, Parquet, JSON lines, "
            "Excel; or a request as the endpoint takes it, as JSON.",
            show_default=False,
        ),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option("--record", metavar="JSON", help="One record to match, as a JSON object.", show_default=False),
    ] = None,
    left: Annotated[
        str | None,
        typer.Option(
            "--left", metavar="ENTITY", help="One side of a pair: a JSON object, or COL ... VAL ...", show_default=False
        ),
    ] = None,
    right: Annotated[
        str | None, typer.Option("--right", metavar="ENTITY", help="The other side.", show_default=False)
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", metavar="TARGET", help="Where it is: local, or dev, staging, prod on Databricks."
        ),
    ] = "local",
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Address of an endpoint of ours elsewhere.", show_default=False),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option("--candidates", metavar="N", min=1, help="Candidates to list per record.", show_default=False),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Records or pairs per request.")] = 200,
    patience: Annotated[
        float | None,
        typer.Option(
            "--patience",
            metavar="SECONDS",
            min=0,
            help="How long to try again while it starts or is busy (default: 15, on Databricks 600).",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile", metavar="NAME", help="Section of the Databricks configuration file.", show_default=False
        ),
    ] = None,
    catalog: Catalog = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask the endpoint: which record of the reference records denote, or whether pairs denote the same.

    The token is taken from the environment variable ENTITY_MATCHING_TOKEN; on Databricks you are known by your login.
    """
    from dataclasses import replace

    from entity_matching.cli.endpoint import place_of

    question = _question(file, record, left, right)
    terminal = Terminal(as_json)
    place = place_of(target, url, profile, catalog, home)
    if not place.is_local and not question.about_pairs:
        raise typer.BadParameter(
            "an endpoint on Databricks judges pairs only; records are matched there by the pipeline.",
            param_hint="'--target'",
        )
    client = place.client(os.environ, terminal.note)
    if patience is not None:
        client = replace(client, patience=patience)
    if question.about_pairs:
        _pairs(client, question, batch, terminal)
    else:
        _records(client, question, candidates, batch, terminal)


def _question(file: str | None, record: str | None, left: str | None, right: str | None) -> Question:
    given = [file is not None, record is not None, left is not None or right is not None]
    if sum(given) != 1:
        raise typer.BadParameter("give either FILE, or --record, or --left and --right.", param_hint="'FILE'")
    if record is not None:
        return Question([_object(record, "--record")])
    if file is not None:
        return _from_json(Path(file)) if file.lower().endswith(".json") else _of_rows(_table(file), file)
    if left is None or right is None:
        missing = "--right" if right is None else "--left"
        raise typer.BadParameter("a pair has two sides; give this one, too.", param_hint=f"'{missing}'")
    return Question([{LEFT: left, RIGHT: right}], about_pairs=True)


def _object(text: str, option: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"it is not JSON: {error}", param_hint=f"'{option}'") from error
    if not isinstance(found, dict):
        raise typer.BadParameter("expected a JSON object of attributes.", param_hint=f"'{option}'")
    return found


def _from_json(path: Path) -> Question:
    """Read a request, or a list of records or pairs.

    :raises InputError: if the file is neither.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError("there is no such file.", file=str(path), remedy="Check the path.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"it cannot be read as JSON: {error}.", file=str(path), remedy="Correct it.") from error
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return _of_rows(found, str(path))
    if isinstance(found, dict) and any(key in found for key in PROTOCOL):
        return Question(about_pairs=True, whole=found)
    if isinstance(found, dict) and ("record" in found or "records" in found):
        return Question(whole=found)
    raise InputError(
        "expected a list of records or pairs, or a request.",
        file=str(path),
        remedy=f"A request has one of the keys records, record, {', '.join(PROTOCOL)}.",
    )


def _table(file: str) -> list[dict[str, Any]]:
    from entity_matching.files import read_table
    from entity_matching.normalize.strings import to_strings

    table = read_table(file)
    columns = [to_strings(column).to_pylist() for column in table.columns]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _of_rows(rows: list[dict[str, Any]], file: str) -> Question:
    sides = [side for side in (LEFT, RIGHT) if side in rows[0]]
    if len(sides) == 1:
        other = RIGHT if sides == [LEFT] else LEFT
        raise InputError(f"there is '{sides[0]}' and no '{other}'.", file=file, remedy="A pair has both.")
    if not sides:
        return Question(rows)
    texts = ({side: row[side] if isinstance(row[side], str) else json.dumps(row[side]) for side in (LEFT, RIGHT)}
             for row in rows)  # fmt: skip
    return Question(list(texts), about_pairs=True)


def _pairs(client: Client, question: Question, batch: int, terminal: Terminal) -> None:
    predictions: list[Any] = []
    if question.whole is not None:
        predictions = client.invoke(question.whole).get("predictions", [])
    else:
        for part in _parts(question.rows, batch):
            predictions += client.invoke({"dataframe_records": part}).get("predictions", [])
    named = bool(question.rows)
    table = grid(f"Answers of {client.name}", *([LEFT, RIGHT] if named else ["#pair"]), "#prediction", "#confidence")
    for number, found in enumerate(predictions):
        asked = [_cell(question.rows[number][side]) for side in (LEFT, RIGHT)] if named else [str(number + 1)]
        told = found if isinstance(found, dict) else {"prediction": found}
        table.add_row(*asked, _cell(told.get("prediction")), _cell(told.get("confidence")))
    terminal.show(table)
    terminal.result({"predictions": predictions})


def _records(client: Client, question: Question, candidates: int | None, batch: int, terminal: Terminal) -> None:
    asked: Iterator[dict[str, Any]]
    if question.whole is not None:
        asked = iter([question.whole])
    else:
        # a table has columns that the model does not read
        more = {"unknown_attributes": "ignore"} | ({} if candidates is None else {"candidates": candidates})
        asked = ({"records": part, **more} for part in _parts(question.rows, batch))
    answers = [client.match(payload) for payload in asked]
    results = [row for answer in answers for row in answer["results"]]
    title = f"{client.name}, model {answers[-1]['model_version']}, reference {answers[-1]['reference_version']}"
    table = grid(title, "record", "decision", "entity", "#confidence", "reason", "other candidates")
    for number, row in enumerate(results, start=1):
        others = ", ".join(
            f"{one['entity_id']} {one['confidence']:.3f}"
            for one in row["candidates"] if one["entity_id"] != row["entity_id"]
        )  # fmt: skip
        key = row["source_key"] if row["source_key"] is not None else number
        cells = (key, row["decision"], row["entity_id"], row["confidence"], row["reason"])
        table.add_row(*map(_cell, cells), escape(others))
    terminal.show(table)
    versions = {name: answers[-1][name] for name in ("model_version", "reference_version")}
    terminal.result({**versions, "results": results})


def _parts(rows: Sequence[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return escape(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
