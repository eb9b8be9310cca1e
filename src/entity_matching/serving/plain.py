"""Requests of the plainest form, which nearly all are: pairs of texts, with nothing else.

MLflow makes a dataframe of every request and checks it against the signature, which costs more than judging a pair
in a batch. Of a request in which there is nothing to convert and nothing to check, this reads just what MLflow would,
and writes just what MLflow would. All others, and all that is wrong, are MLflow's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from entity_matching.errors import InputError
from entity_matching.registry.entities import read_entities
from entity_matching.registry.signature import LEFT, RIGHT
from entity_matching.schema import Schema, Side

MEDIA_TYPES = frozenset({b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"})
_COLUMNS = [LEFT, RIGHT]
_NAMES = {LEFT, RIGHT}
_RECORDS = ("dataframe_records", "inputs", "instances")
_SPLIT = "dataframe_split"


@dataclass(frozen=True)
class Pairs:
    """The two sides of pairs, as tables."""

    left: pa.Table
    right: pa.Table


def read_plain(body: bytes, schema: Schema) -> Pairs | None:
    """Return the pairs of a request; ``None`` if it is not of the plainest form, or wrong in any way."""
    try:
        texts = _texts(json.loads(body))
        if texts is None:
            return None
        left, right = texts
        return Pairs(
            read_entities(left, schema, Side.SOURCE, LEFT), read_entities(right, schema, Side.REFERENCE, RIGHT)
        )
    except (ValueError, RecursionError, InputError):
        return None


def write_plain(judged: pa.Table) -> bytes:
    """Return the answer as MLflow writes it."""
    return json.dumps({"predictions": judged.to_pylist()}).encode()


def _texts(data: Any) -> tuple[list[str], list[str]] | None:
    """Return the texts of both columns; ``None`` if there is anything else."""
    if not isinstance(data, dict) or len(data) != 1:
        return None
    ((name, value),) = data.items()
    rows = _of_records(value) if name in _RECORDS else _of_split(value) if name == _SPLIT else []
    if not rows or not all(isinstance(text, str) for row in rows for text in row):
        return None
    left, right = zip(*rows, strict=True)
    return list(left), list(right)


def _of_records(value: Any) -> list[Sequence[Any]]:
    """Return the rows of a list of objects; none if one of them has other keys."""
    if isinstance(value, list) and all(isinstance(record, dict) and record.keys() == _NAMES for record in value):
        return [(record[LEFT], record[RIGHT]) for record in value]
    return []


def _of_split(value: Any) -> list[Sequence[Any]]:
    """Return the rows of columns and data; none if there are other columns, or a row has not as many."""
    if not isinstance(value, dict) or value.keys() != {"columns", "data"} or value["columns"] != _COLUMNS:
        return []
    rows = value["data"]
    if isinstance(rows, list) and all(isinstance(row, list) and len(row) == len(_COLUMNS) for row in rows):
        return list(rows)
    return []
