from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.schema import Schema
from entity_matching.serving.plain import read_plain, write_plain

SCHEMA = Schema.from_yaml("attributes: {name: name}")
L, R = '{"name": "one"}', "COL name VAL two"
PAIR = {"left_entity": L, "right_entity": R}


@pytest.mark.parametrize(
    "data",
    [
        {"dataframe_records": [PAIR, PAIR]},
        {"inputs": [PAIR, PAIR]},
        {"instances": [PAIR, PAIR]},
        {"dataframe_split": {"columns": ["left_entity", "right_entity"], "data": [[L, R], [L, R]]}},
    ],
)
def test_the_plainest_forms_are_read(data: dict[str, Any]) -> None:
    pairs = read_plain(json.dumps(data).encode(), SCHEMA)
    assert pairs is not None
    assert (pairs.left.to_pydict(), pairs.right.to_pydict()) == ({"name": ["one"] * 2}, {"name": ["two"] * 2})


@pytest.mark.parametrize(
    "data",
    [
        {"dataframe_records": []},
        {"dataframe_records": [{**PAIR, "id": 1}]},
        {"dataframe_records": [{**PAIR, "left_entity": None}]},
        {"dataframe_records": [PAIR], "params": {}},
        {"dataframe_records": [PAIR], "inputs": [PAIR]},
        {"dataframe_records": {"left_entity": [L], "right_entity": [R]}},
        {"dataframe_records": [{**PAIR, "left_entity": "no record"}]},
        {"dataframe_split": {"columns": ["right_entity", "left_entity"], "data": [[R, L]]}},
        {"dataframe_split": {"columns": ["left_entity", "right_entity"], "data": [[L]]}},
        {"dataframe_split": [[L, R]]},
        {"other": [PAIR]},
        [PAIR],
        None,
    ],
)
def test_all_else_is_left_to_mlflow(data: Any) -> None:
    assert read_plain(json.dumps(data).encode(), SCHEMA) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"inputs": ' + b"9" * 5_000 + b"}"])
def test_what_is_no_json_is_left_to_mlflow(body: bytes) -> None:
    assert read_plain(body, SCHEMA) is None


def test_an_answer_is_written_as_mlflow_does() -> None:
    from io import StringIO  # noqa: PLC0415

    from mlflow.pyfunc import scoring_server  # noqa: PLC0415 - heavy

    judged = pa.table({"prediction": [0, 1], "confidence": [0.1 + 0.2, 1.0]})
    expected = StringIO()
    scoring_server.predictions_to_json(judged.to_pandas(), expected)  # type: ignore[no-untyped-call]
    assert write_plain(judged).decode() == expected.getvalue()
