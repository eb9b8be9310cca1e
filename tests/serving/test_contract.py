"""The same requests to MLflow's own server and to ours: the same statuses and the same predictions.

Where ours differs on purpose: it wants a token (401), takes so many bytes at most (413), and answers with 400 or 415
where MLflow fails with 500. Its errors have no stack trace, and plain text of MLflow's is put into JSON.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

LEFT, RIGHT = "left_entity", "right_entity"
SIEMENS = json.dumps({"company_name": "SIEMENS AG NA O.N.", "country": "Germany"})
DITTO = "COL company_name VAL Siemens Aktiengesellschaft COL country VAL DE"
PAIR = {LEFT: SIEMENS, RIGHT: DITTO}
OTHER = {LEFT: SIEMENS, RIGHT: json.dumps({"company_name": "Bayer AG", "isin": None})}
CSV = pd.DataFrame([PAIR, OTHER]).to_csv(index=False).encode()
JSON = "application/json"

GOOD: dict[str, tuple[Any, str]] = {
    "records": ({"dataframe_records": [PAIR, OTHER]}, JSON),
    "records with a charset": ({"dataframe_records": [PAIR]}, "application/json; charset=utf-8"),
    "records with another column": ({"dataframe_records": [{**PAIR, "id": 3}]}, JSON),
    "records with columns in another order": ({"dataframe_records": [dict(reversed(PAIR.items()))]}, JSON),
    "records, some with another column": ({"dataframe_records": [PAIR, {**OTHER, "id": 3}]}, JSON),
    "split": ({"dataframe_split": {"columns": [LEFT, RIGHT], "data": [[SIEMENS, DITTO]]}}, JSON),
    "split with an index": ({"dataframe_split": {"index": [5], "columns": [LEFT, RIGHT], "data": [[DITTO] * 2]}}, JSON),
    "split in another order": ({"dataframe_split": {"columns": [RIGHT, LEFT], "data": [[DITTO, SIEMENS]]}}, JSON),
    "inputs": ({"inputs": [PAIR, OTHER]}, JSON),
    "inputs by column": ({"inputs": {LEFT: [SIEMENS, DITTO], RIGHT: [DITTO, SIEMENS]}}, JSON),
    "instances": ({"instances": [PAIR, OTHER]}, JSON),
    "with no params": ({"dataframe_records": [PAIR], "params": {}}, JSON),
    "with something else beside": ({"dataframe_records": [PAIR], "client_request_id": "1"}, JSON),
    "an escaped null": ({"dataframe_records": [{**PAIR, LEFT: '{"company_name": "Siem\\u0000ens"}'}]}, JSON),
    "a null byte": ({"dataframe_records": [{**PAIR, LEFT: "COL company_name VAL Sie\0mens"}]}, JSON),
    "a key twice": (b'{"dataframe_records": [], "dataframe_records": [' + json.dumps(PAIR).encode() + b"]}", JSON),
    "csv": (CSV, "text/csv"),
    "UTF-16": (json.dumps({"dataframe_records": [PAIR]}).encode("utf-16"), JSON),
    "no rows, split": ({"dataframe_split": {"columns": [LEFT, RIGHT], "data": []}}, JSON),
    "unknown params": ({"dataframe_records": [PAIR], "params": {"x": 1}}, JSON),
    "many": ({"dataframe_records": [PAIR, OTHER] * 300}, JSON),
}
BAD: dict[str, tuple[Any, str]] = {
    "no JSON": (b'{"dataframe_records": [', JSON),
    "nothing": (b"", JSON),
    "no UTF-8": (b'{"dataframe_records": "\xff"}', JSON),
    "a list": ([PAIR], JSON),
    "a number": (3, JSON),
    "no known key": ({"data": [PAIR]}, JSON),
    "two known keys": ({"inputs": [PAIR], "instances": [PAIR]}, JSON),
    "no rows": ({"dataframe_records": []}, JSON),
    "a column is missing": ({"dataframe_records": [{LEFT: SIEMENS}]}, JSON),
    "a column is missing in one": ({"dataframe_records": [PAIR, {LEFT: SIEMENS}]}, JSON),
    "a number for a text": ({"dataframe_records": [{**PAIR, LEFT: 3}]}, JSON),
    "an object for a text": ({"dataframe_records": [{**PAIR, LEFT: {"company_name": "Siemens"}}]}, JSON),
    "null": ({"dataframe_records": [{**PAIR, LEFT: None}]}, JSON),
    "NaN": (b'{"dataframe_records": [{"left_entity": NaN, "right_entity": "COL a VAL b"}]}', JSON),
    "a text that is no record": ({"dataframe_records": [{**PAIR, RIGHT: "Siemens"}]}, JSON),
    "an empty text": ({"dataframe_records": [PAIR, {**PAIR, RIGHT: ""}]}, JSON),
    "half a surrogate": (b'{"dataframe_records": [{"left_entity": "\\ud800", "right_entity": "COL a VAL b"}]}', JSON),
    "records that are none": ({"dataframe_records": "x"}, JSON),
    "records of lists": ({"dataframe_records": [[SIEMENS, DITTO]]}, JSON),
    "split without data": ({"dataframe_split": {"columns": [LEFT, RIGHT]}}, JSON),
    "a short row": ({"dataframe_split": {"columns": [LEFT, RIGHT], "data": [[SIEMENS]]}}, JSON),
    "unequal columns": ({"inputs": {LEFT: [SIEMENS], RIGHT: []}}, JSON),
    "another type": (b"<a/>", "application/xml"),
    "another charset": ({"dataframe_records": [PAIR]}, "application/json; charset=latin-1"),
    "another parameter": ({"dataframe_records": [PAIR]}, "application/json; version=1"),
    "no csv": (b"\xff\xfe", "text/csv"),
    "csv without the columns": (b"a,b\n1,2\n", "text/csv"),
    "no parquet": (b"PAR1", "application/vnd.apache.parquet"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_mlflow_answers_is_answered_alike(name: str, endpoint: Any, mlflow_server: Any) -> None:
    body, kind = GOOD[name]
    expected = mlflow_server.ask(body, headers={"content-type": kind})
    found = endpoint.ask(body, headers={"content-type": kind})
    assert expected.status == 200, expected.body
    assert (found.status, found.body) == (200, expected.body)


@pytest.mark.parametrize("name", BAD)
def test_what_mlflow_refuses_is_refused_alike(name: str, endpoint: Any, mlflow_server: Any) -> None:
    body, kind = BAD[name]
    expected = mlflow_server.ask(body, headers={"content-type": kind})
    found = endpoint.ask(body, headers={"content-type": kind})
    assert expected.status >= 400
    assert found.status == (400 if expected.status == 500 else expected.status)
    assert set(found.data) == {"error_code", "message"}
    if expected.status == 400:
        assert found.data["error_code"] == expected.data["error_code"]


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"dataframe_records": ' + b"[" * 100_000])
def test_what_mlflow_fails_at_is_refused(body: bytes, endpoint: Any, mlflow_server: Any) -> None:
    assert mlflow_server.ask(body).status == 500
    found = endpoint.ask(body)
    assert (found.status, found.data["error_code"]) == (400, "BAD_REQUEST")


def test_a_request_without_a_type_is_refused(endpoint: Any, mlflow_server: Any) -> None:
    assert mlflow_server.ask({"inputs": [PAIR]}, headers={}).status == 500
    assert endpoint.ask({"inputs": [PAIR]}, headers={}).status == 415


def test_the_path_of_mlflow_serves_too(endpoint: Any) -> None:
    assert endpoint.ask({"inputs": [PAIR]}, "/invocations").body == endpoint.ask({"inputs": [PAIR]}).body


def test_the_client_of_databricks_works(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - heavy
    from databricks.sdk.errors import InvalidParameterValue, NotFound  # noqa: PLC0415
    from databricks.sdk.service.serving import DataframeSplitInput  # noqa: PLC0415

    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "/nowhere")
    client = WorkspaceClient(host=f"http://127.0.0.1:{endpoint.port}", token=endpoint.token)
    name = endpoint.settings.name
    expected = endpoint.ask({"dataframe_records": [PAIR, OTHER]}).data["predictions"]
    split = DataframeSplitInput(columns=[LEFT, RIGHT], data=[list(PAIR.values()), list(OTHER.values())])
    for given in ({"dataframe_records": [PAIR, OTHER]}, {"dataframe_split": split}, {"inputs": [PAIR, OTHER]}):
        answer = client.serving_endpoints.query(name, **given)
        assert answer.predictions == expected
    assert answer.served_model_name == f"{name}-first"
    with pytest.raises(InvalidParameterValue, match="left_entity"):
        client.serving_endpoints.query(name, dataframe_records=[{RIGHT: SIEMENS}])
    with pytest.raises(NotFound):
        client.serving_endpoints.query("another", dataframe_records=[PAIR])
