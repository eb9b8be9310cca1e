"""Both routes asked with whatever the OpenAPI page allows, and with what it does not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from entity_matching.lakehouse import LakehouseSettings
from entity_matching.serving.background import log_of, start, stop
from entity_matching.serving.settings import ServingSettings
from entity_matching.serving.tokens import Permission, Tokens

pytestmark = pytest.mark.spark

COMPANIES = Path(__file__).parents[2] / "examples" / "companies"
EXAMPLES = 40
"""Requests per route and kind."""
LONGEST = 10.0
"""Seconds after which a request counts as hanging."""
TELLING = 8
"""Letters from which a text of a request would be known again in the log."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint in processes of its own."""

    url: str
    token: str
    log: Path
    sent: set[str] = field(default_factory=set)

    def note(self, value: Any) -> None:
        """Remember the texts of a request."""
        if isinstance(value, str):
            if len(value) >= TELLING:
                self.sent.add(value)
        elif isinstance(value, dict):
            for name, item in value.items():
                self.note(name)
                self.note(item)
        elif isinstance(value, list):
            for item in value:
                self.note(item)

    def post(self, path: str, content: bytes, kind: str = "application/json") -> requests.Response:
        headers = {"authorization": f"Bearer {self.token}", "content-type": kind}
        return requests.post(self.url + path, data=content, headers=headers, timeout=LONGEST)


@pytest.fixture(scope="module")
def endpoint(servable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    home = shutil.copytree(servable, tmp_path_factory.mktemp("place") / "home")
    lakehouse = LakehouseSettings(home=home)
    serving = replace(ServingSettings(lakehouse=lakehouse), port=0)
    running = start(serving, {**os.environ, "OMP_NUM_THREADS": "1"}, 120)
    try:
        yield Endpoint(running.url, Tokens(serving.tokens).create("fuzz", Permission.CAN_QUERY), log_of(serving))
    finally:
        stop(serving, 30, force=True)


def fuzzed(endpoint: Endpoint, path: str, mode: GenerationMode) -> list[int]:
    """Return the statuses of requests that the OpenAPI page makes."""
    described = requests.get(f"{endpoint.url}/openapi.json", timeout=LONGEST).json()
    api = schemathesis.openapi.from_dict(described)
    statuses = []

    @seed(0)
    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=api[path]["POST"].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        endpoint.note(case.body)
        answer = case.call(
            base_url=endpoint.url, headers={"authorization": f"Bearer {endpoint.token}"}, timeout=LONGEST
        )
        statuses.append(answer.status_code)
        assert answer.status_code < 500, (answer.status_code, case.body)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error_code", "message"}

    ask()
    return statuses


PATHS = ("/match", "/serving-endpoints/ditto-em-local/invocations")


@pytest.mark.parametrize("path", PATHS)
def test_what_the_page_allows_is_answered_or_refused(endpoint: Endpoint, path: str) -> None:
    assert fuzzed(endpoint, path, GenerationMode.POSITIVE)


@pytest.mark.parametrize("path", PATHS)
def test_what_the_page_does_not_allow_is_refused(endpoint: Endpoint, path: str) -> None:
    assert fuzzed(endpoint, path, GenerationMode.NEGATIVE)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
VALUES = st.text() | st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | JSON
RECORDS = st.dictionaries(st.sampled_from(["company_name", "country", "city", "isin", "ticker", "website"]), VALUES)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(RECORDS, max_size=4))
def test_records_of_any_values_are_matched_or_refused(endpoint: Endpoint, records: list[dict[str, Any]]) -> None:
    endpoint.note(records)
    answer = endpoint.post("/match", json.dumps({"records": records}).encode())
    assert answer.status_code in (200, 400), (answer.status_code, records)
    if answer.status_code == 200:
        assert len(answer.json()["results"]) == len(records)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PATHS), st.sampled_from(["application/json", "text/csv", "image/png", ""]), st.binary())
def test_any_bytes_are_refused(endpoint: Endpoint, path: str, kind: str, content: bytes) -> None:
    assert 400 <= endpoint.post(path, content, kind).status_code < 500


def test_the_log_holds_nothing_that_was_sent(endpoint: Endpoint) -> None:
    secret = "Zqxj Marker GmbH"
    for body in ({"record": {"company_name": secret}}, {"record": {secret: 1}}, {"records": [{"city": [secret]}]},
                 {secret: secret}, {"record": {"company_name": secret, "isin": {}}}):  # fmt: skip
        assert endpoint.post("/match", json.dumps(body).encode()).status_code in (200, 400)
    pair = {"left_entity": json.dumps({"company_name": secret}), "right_entity": f"COL company_name VAL {secret}"}
    for asked in ({"inputs": [pair]}, {"inputs": [{"left_entity": secret}]}, {"instances": secret}):
        assert endpoint.post("/invocations", json.dumps(asked).encode()).status_code in (200, 400)
    text = endpoint.log.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert sum(line["message"] == "request" for line in lines) > EXAMPLES
    assert "Zqxj" not in text
    logged = {value for line in lines for value in line.values() if isinstance(value, str)}
    known = {"company_name", "dataframe_records", "dataframe_split", "left_entity", "right_entity"}
    # hypothesis likes words of the code that it tests, such as a route's
    sent = {text for text in endpoint.sent - known if not any(text in path for path in PATHS)}
    assert not [text for text in sent if any(text in value for value in logged)]
