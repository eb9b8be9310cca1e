from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from entity_matching.config import MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.errors import InputError
from entity_matching.files import read_table
from entity_matching.matcher import Matcher
from entity_matching.matcher.reference import Reference
from entity_matching.schema import Schema
from entity_matching.serving import errors
from entity_matching.serving.errors import BusyError
from entity_matching.serving.match_answer import EXAMPLE, MatchAnswer
from entity_matching.serving.match_request import read_request
from entity_matching.serving.match_route import router
from entity_matching.serving.matching import Matching
from entity_matching.serving.metrics import Metrics
from entity_matching.serving.settings import ServingSettings

LIMITS = ServingSettings()
COMPANIES = Path(__file__).parents[2] / "examples" / "companies"
SMALL = MatcherSettings(
    search=SearchSettings(limit=8, threads=1),
    scorer=ScorerSettings(trees=30, learning_rate=0.2, folds=2, synthetic_records=100, threads=1),
)


@dataclass(frozen=True)
class Served:
    """A model and the reference it is asked about."""

    matcher: Matcher
    given: pa.Table
    source: pa.Table
    reference: Reference | None = None
    model_version: str = "3"
    reference_version: str | None = "abc"
    problem: str | None = None

    def get(self) -> Served:
        return self

    @property
    def records(self) -> list[dict[str, Any]]:
        """The source's records by the columns that the schema reads, and their keys."""
        known = {*(attribute.name for attribute in self.matcher.schema.attributes), "source_id"}
        return [{k: v for k, v in row.items() if k in known} for row in self.source.to_pylist()]


@pytest.fixture(scope="module")
def served() -> Served:
    schema = Schema.load(COMPANIES / "schema.yml")
    source = read_table(COMPANIES / "source.csv").slice(0, 40)
    reference = read_table(COMPANIES / "reference.csv").slice(0, 800)
    first = reference.slice(0, 10).to_pylist()
    # some that the exact stage decides, and one that resembles nothing
    exact = [{"source_id": f"X{n}", "company_name": row["company_name"]} for n, row in enumerate(first)]
    more = pa.Table.from_pylist([*exact, {"source_id": "X=", "company_name": "0"}], source.schema)
    matcher = Matcher.train(source, reference, schema=schema, settings=SMALL)
    return Served(matcher, reference, pa.concat_tables([source, more]), matcher.prepare(reference))


def client_of(
    served: Served, settings: ServingSettings | None = None, metrics: Metrics | None = None
) -> Iterator[TestClient]:
    app = FastAPI()
    errors.install(app)
    app.include_router(router(served, settings or ServingSettings(), metrics or Metrics()))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[TestClient]:
    yield from client_of(served)


def expected(served: Served) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = served.matcher.match(served.source, served.given).to_pylist()
    assert {"match", "no_match"} <= {row["decision"] for row in rows}
    assert {"exact_name", "scored"} <= {row["method"] for row in rows}
    return rows


def test_a_batch_gets_what_the_matcher_says(client: TestClient, served: Served) -> None:
    answer = client.post("/match", json={"records": served.records})
    assert answer.status_code == 200
    assert answer.json() == {"model_version": "3", "reference_version": "abc", "results": expected(served)}
    MatchAnswer.model_validate(answer.json())


def test_single_records_get_the_same(client: TestClient, served: Served) -> None:
    answers = [client.post("/match", json={"record": record}).json()["results"] for record in served.records]
    assert [row for rows in answers for row in rows] == expected(served)


def test_concurrent_requests_get_each_their_own(client: TestClient, served: Served) -> None:
    rows = expected(served)
    parts = [(start, 1 + start % 4) for start in range(0, 48, 2)]

    def ask(part: tuple[int, int]) -> Any:
        start, size = part
        return client.post("/match", json={"records": served.records[start : start + size]}).json()["results"]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, parts))
    assert found == [rows[start : start + size] for start, size in parts]


def test_as_many_candidates_are_listed_as_wanted(client: TestClient, served: Served) -> None:
    records = served.records[:6]
    usual = client.post("/match", json={"records": records}).json()["results"]
    one, many = (
        client.post("/match", json={"records": records, "candidates": wanted}).json()["results"] for wanted in (1, 8)
    )
    assert max(len(row["candidates"]) for row in one) == 1
    assert max(len(row["candidates"]) for row in many) == 8
    for few, row, more in zip(one, usual, many, strict=True):
        assert few["candidates"] == row["candidates"][:1]
        assert row["candidates"] == more["candidates"][:5]
        assert few["confidence"] == more["confidence"]


def test_a_record_without_key_has_none_in_the_answer(client: TestClient) -> None:
    row = client.post("/match", json={"record": {"company_name": "BP"}}).json()["results"][0]
    assert row["source_key"] is None


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b'{"records": []}', "application/json", 400, "INVALID_PARAMETER_VALUE"),
        (b"{", "application/json", 400, "BAD_REQUEST"),
        (b"a,b", "text/csv", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"{}", None, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
def test_errors_have_one_shape(client: TestClient, content: bytes, kind: str | None, status: int, code: str) -> None:
    answer = client.post("/match", content=content, headers={"content-type": kind} if kind else {})
    assert answer.status_code == status
    assert set(answer.json()) == {"error_code", "message"}
    assert answer.json()["error_code"] == code


def test_without_a_reference_it_is_said_what_is_missing(served: Served) -> None:
    for client in client_of(replace(served, reference=None, reference_version=None)):
        answer = client.post("/match", json={"record": {"company_name": "BP"}})
        assert answer.status_code == 503
        assert "setup-unity-catalog" in answer.json()["message"]
    broken = replace(served, reference=None, reference_version=None, problem="The reference is damaged.")
    for client in client_of(broken):
        answer = client.post("/match", json={"record": {"company_name": "BP"}})
        assert answer.status_code == 503
        assert answer.json()["message"].startswith("There is no reference to match against. The reference is damaged.")


@pytest.mark.parametrize(
    ("name", "asked"),
    [("match_records", {"records": [{"company_name": "BP"}] * 3}),
     ("match_candidates", {"record": {"company_name": "BP"}, "candidates": 3})],
)  # fmt: skip
def test_what_a_request_may_ask_for_is_a_setting_told_and_logged(
    served: Served, name: str, asked: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for most, status in ((3, 200), (2, 400)):
        settings = ServingSettings(**{name: most})  # type: ignore[arg-type]
        for client in client_of(served, settings):
            answer = client.post("/match", json=asked)
            assert answer.status_code == status
            assert (name in caplog.text) == (status == 400)
            page = client.get("/openapi.json").json()["paths"]["/match"]["post"]["requestBody"]
            assert f": {most}" in json.dumps(page["content"]["application/json"]["schema"])
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE" and " 2" in answer.json()["message"]


def test_batches_and_what_waits_are_counted_by_route(served: Served) -> None:
    metrics = Metrics()
    for client in client_of(served, ServingSettings(match_rows=4), metrics):
        assert client.post("/match", json={"records": served.records[:6]}).status_code == 200
    count = metrics.registry.get_sample_value
    assert count("entity_matching_batch_rows_count", {"route": "match"}) == 2
    assert count("entity_matching_batch_rows_sum", {"route": "match"}) == 6
    assert count("entity_matching_batch_seconds_count", {"route": "match"}) == 2
    assert count("entity_matching_queue", {"route": "match"}) == 0


def test_clients_that_were_answered_together_are_so_again_and_a_single_one_does_not_wait(served: Served) -> None:
    metrics = Metrics()
    matching = Matching(ServingSettings(batch_wait_ms=5_000), metrics)
    count = metrics.registry.get_sample_value

    async def ask(number: int, late: float = 0.0) -> None:
        await asyncio.sleep(late)
        asked = read_request(b'{"record": {"company_name": "BP %d"}}' % number, served.matcher.schema, LIMITS)
        assert served.reference is not None
        await matching.match(served, served.reference, asked)

    async def twice() -> float:
        await asyncio.gather(*(ask(number) for number in range(3)))
        await asyncio.gather(*(ask(number, number / 20) for number in range(3)))
        alone = Matching(ServingSettings(batch_wait_ms=5_000), Metrics())
        assert served.reference is not None
        started = time.monotonic()
        for _ in range(2):
            asked = read_request(b'{"record": {"company_name": "BP"}}', served.matcher.schema, LIMITS)
            await alone.match(served, served.reference, asked)
        return time.monotonic() - started

    assert asyncio.run(twice()) < 4
    assert count("entity_matching_batch_rows_count", {"route": "match"}) == 2
    assert count("entity_matching_batch_rows_sum", {"route": "match"}) == 6


def test_requests_beyond_the_queue_are_refused(served: Served) -> None:
    async def ask() -> list[object]:
        matching = Matching(ServingSettings(queue=2), Metrics())
        asked = read_request(b'{"record": {"company_name": "BP"}}', served.matcher.schema, LIMITS)
        assert served.reference is not None
        calls = (matching.match(served, served.reference, asked) for _ in range(4))
        return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(ask())
    assert [isinstance(one, BusyError) for one in found] == [False, False, True, True]


def test_a_large_request_lets_others_in_between(served: Served) -> None:
    order: list[str] = []

    async def ask() -> None:
        matching = Matching(ServingSettings(match_rows=4), Metrics())
        assert served.reference is not None
        schema = served.matcher.schema
        record = b'{"company_name": "BP"}'
        large = read_request(b'{"records": [%s]}' % b",".join([record] * 40), schema, LIMITS)
        small = read_request(b'{"record": %s}' % record, schema, LIMITS)

        async def note(name: str, asked: Any) -> None:
            rows = await matching.match(served, served.reference, asked)  # type: ignore[arg-type]
            order.append(f"{name} {len(rows)}")

        await asyncio.gather(note("large", large), note("small", small))

    asyncio.run(ask())
    assert order == ["small 1", "large 40"]


def test_a_record_that_cannot_be_matched_does_no_harm_to_others(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    matched, gate = Matcher.match_prepared, threading.Event()

    def failing(self: Matcher, source: pa.Table, reference: Reference, **options: Any) -> pa.Table:
        gate.wait(10)
        if "bad" in source["company_name"].to_pylist():
            raise InputError("it is bad")
        return matched(self, source, reference, **options)

    monkeypatch.setattr(Matcher, "match_prepared", failing)
    for client in client_of(served):
        with ThreadPoolExecutor(4) as pool:
            names = ("first", "good", "bad", "fine")
            asked = [pool.submit(client.post, "/match", json={"record": {"company_name": name}}) for name in names]
            gate.set()
            assert [one.result().status_code for one in asked] == [200, 200, 400, 200]


def test_the_openapi_page_has_examples_and_describes_the_errors(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]["/match"]["post"]
    assert set(described["requestBody"]["content"]["application/json"]["examples"]) == {"one", "several"}
    assert described["responses"]["200"]["content"]["application/json"]["example"] == EXAMPLE
    assert {"400", "401", "413", "429", "503"} <= set(described["responses"])
    MatchAnswer.model_validate(EXAMPLE)
