"""Processes of an endpoint under load and abuse: killed, switched to another model, stopped, kept waiting."""

from __future__ import annotations

import json
import os
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from entity_matching.cli.main import app
from entity_matching.jobs.models import publish, put_in_force
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.checksums import write_checksums
from entity_matching.registry.tracking import TrainingRecord, log_and_register
from entity_matching.registry.versions import Versions
from entity_matching.serving.server import Running
from entity_matching.serving.settings import ServingSettings
from entity_matching.serving.tokens import Permission, Tokens

SECRET = "Zanzibar Oddities"
WORD = "Zanzibar"
"""Words of a record that must be found nowhere."""


@dataclass
class Load:
    """Requests that several threads send, and what came of them. ``versions``: the models that answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    lost: list[float] = field(default_factory=list)


@contextmanager
def loaded(endpoint: Any, pairs: list[dict[str, str]], threads: int = 6) -> Iterator[Load]:
    """Keep asking while the block runs; each request is a connection of its own."""
    load, stop = Load(), threading.Event()

    def ask(number: int) -> None:
        while not stop.is_set():
            try:
                reply = endpoint.ask({"dataframe_records": [pairs[number % len(pairs)]]})
            except OSError:
                load.lost.append(time.monotonic())
                continue
            load.statuses[reply.status] += 1
            load.versions[reply.headers.get("served-model-name", "")] += 1
            number += 1

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for thread in asking:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in asking:
            thread.join()


def eventually(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def test_a_killed_process_comes_back_and_the_others_answer(endpoint: Any, trained: Any) -> None:
    before = endpoint.workers()
    starts = endpoint.count("entity_matching_worker_starts_total")
    assert len(before) == 2
    with loaded(endpoint, trained.pairs(20)) as load:
        eventually(lambda: load.statuses[200] > 10)
        os.kill(before[0], signal.SIGKILL)
        killed = time.monotonic()
        done = load.statuses[200]
        eventually(lambda: load.statuses[200] > done + 20)
        eventually(lambda: endpoint.count("entity_matching_worker_starts_total") == starts + 1)
    assert set(load.statuses) == {200}
    assert len(load.lost) <= 6  # one per thread: what the process was answering
    assert all(at < killed + 5 for at in load.lost)
    after = endpoint.workers()
    assert len(after) == 2 and before[0] not in after and before[1] in after
    assert endpoint.count("entity_matching_workers") == 2


def test_a_new_champion_is_served_without_a_request_lost(endpoint: Any, trained: Any) -> None:
    lakehouse, name = endpoint.settings.lakehouse, endpoint.settings.name
    pairs = trained.pairs(20)
    expected = trained_answers(trained.second, pairs)
    try:
        with loaded(endpoint, pairs) as load:
            eventually(lambda: load.statuses[200] > 10)
            publish(lakehouse, trained.second, "second")
            eventually(lambda: load.versions[f"{name}-second"] > 20)
            eventually(lambda: all(endpoint.get("/ready").data["model_version"] == "second" for _ in range(10)))
        assert (set(load.statuses), load.lost) == ({200}, [])
        assert set(load.versions) == {f"{name}-first", f"{name}-second"}
        answer = endpoint.ask({"dataframe_records": pairs}).data["predictions"]
        assert [one["confidence"] for one in answer] == pytest.approx(expected)
    finally:
        put_in_force(lakehouse, "first")
        eventually(lambda: all(endpoint.get("/ready").data["model_version"] == "first" for _ in range(10)))


def test_promoting_and_rolling_back_in_the_registry_loses_no_request(
    trained: Any, tmp_path: Path, give_registry: Callable[[Path], None], launch_endpoint: Any
) -> None:
    lakehouse = LakehouseSettings(home=tmp_path / "home")
    give_registry(lakehouse.home)
    with Versions.open(lakehouse) as versions:
        for matcher in (trained.first, trained.second):
            number = registered(versions, matcher, tmp_path)
            if number == "1":
                versions.promote(number, by="ann", at=datetime(2026, 5, 4, tzinfo=UTC))
    endpoint = launch_endpoint(ServingSettings(lakehouse, refresh_s=0.3))
    endpoint.wait("/ready")
    name, pairs = endpoint.settings.name, trained.pairs(5)
    with loaded(endpoint, pairs, threads=3) as load:
        for words, number in ((["promote", "2"], "2"), (["rollback"], "1")):
            before = load.versions[f"{name}-{number}"]
            done = CliRunner().invoke(app, ["models", *words, "--home", str(lakehouse.home)])
            assert done.exit_code == 0, done.output
            eventually(partial(lambda n, seen: load.versions[n] > seen + 10, f"{name}-{number}", before))
            assert endpoint.get("/ready").data["model_version"] == number
    assert (set(load.statuses), load.lost) == ({200}, [])
    assert set(load.versions) == {f"{name}-1", f"{name}-2"}


def registered(versions: Versions, matcher: Any, folder: Path) -> str:
    """Register a matcher; return its number."""
    artifact, code = folder / "model", folder / "code.py"
    matcher.save(artifact)
    code.write_text("import mlflow\nmlflow.models.set_model(mlflow.pyfunc.PythonModel())\n", encoding="utf-8")
    model = {"python_model": str(code), "artifacts": {"model": str(artifact)}, "pip_requirements": ["numpy"]}
    checksum = write_checksums(artifact)
    return log_and_register(versions, TrainingRecord(secrets.token_hex(4), {}), model, checksum)


def trained_answers(matcher: Any, pairs: list[dict[str, str]]) -> list[float]:
    """Return the confidences that a matcher gives."""
    from entity_matching.serving.plain import read_plain  # noqa: PLC0415

    read = read_plain(json.dumps({"inputs": pairs}).encode(), matcher.schema)
    assert read is not None
    found: list[float] = matcher.score_pairs(read.left, read.right)["confidence"].to_pylist()
    return found


def test_a_damaged_model_is_not_switched_to(endpoint: Any, trained: Any) -> None:
    lakehouse = endpoint.settings.lakehouse
    failures = endpoint.count("entity_matching_refresh_failures_total")
    folder = publish(lakehouse, trained.second, "damaged")
    put_in_force(lakehouse, "first")
    (folder / "model.json").write_text("{", encoding="utf-8")
    put_in_force(lakehouse, "damaged")
    try:
        eventually(lambda: endpoint.count("entity_matching_refresh_failures_total") > failures)
        eventually(lambda: endpoint.get("/ready").data["status"] == "outdated")
        told = endpoint.get("/ready").data
        assert told["model_version"] == "first"
        assert endpoint.ask({"inputs": trained.pairs(1)}).status == 200
    finally:
        put_in_force(lakehouse, "first")
        eventually(lambda: all(endpoint.get("/ready").data["status"] == "ready" for _ in range(10)))


def test_many_at_once_are_judged_together(endpoint: Any, trained: Any) -> None:
    batches, rows = (endpoint.count(f"entity_matching_batch_rows_{what}") for what in ("count", "sum"))
    with loaded(endpoint, trained.pairs(20), threads=12) as load:
        eventually(lambda: load.statuses[200] > 150)
    rows = endpoint.count("entity_matching_batch_rows_sum") - rows
    assert rows == load.statuses[200]
    assert endpoint.count("entity_matching_batch_rows_count") - batches < rows / 1.5


@pytest.mark.parametrize(
    ("secret", "status", "code"),
    [
        ("", 401, "UNAUTHENTICATED"),
        ("em_wrong", 401, "UNAUTHENTICATED"),
        ("\xff", 401, "UNAUTHENTICATED"),
        ("x" * 5_000, 401, "UNAUTHENTICATED"),
    ],
)
def test_without_a_valid_token_nothing_is_answered(secret: str, status: int, code: str, endpoint: Any) -> None:
    for path in (endpoint.path, "/match", "/metrics", "/nothing"):
        reply = endpoint.ask({"inputs": []}, path, token=secret)
        assert (reply.status, reply.data["error_code"]) == (status, code)
        assert reply.headers["www-authenticate"] == "Bearer"
    assert endpoint.get("/health", token=secret).status == 200
    assert endpoint.get("/ready", token=secret).status == 200


def test_a_token_allows_what_it_was_made_for_until_it_is_revoked(endpoint: Any, trained: Any) -> None:
    tokens = Tokens(endpoint.settings.tokens)
    secret = tokens.create("caller", Permission.CAN_QUERY)
    asked = {"inputs": trained.pairs(1)}
    assert endpoint.ask(asked, token=secret).status == 200
    refused = endpoint.get("/metrics", token=secret)
    assert (refused.status, refused.data["error_code"]) == (403, "PERMISSION_DENIED")
    tokens.revoke("caller")
    assert [endpoint.ask(asked, token=secret).status for _ in range(6)] == [401] * 6


def test_a_large_request_is_refused_with_a_length_or_without(endpoint: Any) -> None:
    large = b'{"dataframe_records": "' + b"x" * 17_000_000 + b'"}'
    assert endpoint.ask(large).status == 413
    with endpoint.connect() as connection:
        head = f"POST {endpoint.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {endpoint.token}\r\n"
        # a request that has come to its end before it is refused leaves the connection open, if the client wants it
        head += "Content-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        chunk = b"%x\r\n" % 1_000_000 + b"x" * 1_000_000 + b"\r\n"
        for _ in range(17):
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n")
        reply = connection.makefile("rb").read()
    assert reply.startswith(b"HTTP/1.1 413 ") and b'"REQUEST_TOO_LARGE"' in reply


def test_a_large_request_within_the_limit_is_answered(endpoint: Any, trained: Any) -> None:
    pair = trained.pairs(1)[0]
    padded = {"left_entity": pair["left_entity"], "right_entity": pair["right_entity"] + " " * 15_000_000}
    reply = endpoint.ask({"dataframe_records": [padded]})
    assert reply.body == endpoint.ask({"dataframe_records": [pair]}).body


def test_a_client_that_never_begins_is_hung_up_on(endpoint: Any) -> None:
    begun = ("", "POST /invocations HT", "POST /invocations HTTP/1.1\r\nHost: x\r\nX: ")
    with ExitStack() as stack:
        connections = [stack.enter_context(endpoint.connect()) for _ in begun]
        started = time.monotonic()
        for connection, sent in zip(connections, begun, strict=True):
            connection.sendall(sent.encode())
        assert [connection.makefile("rb").read() for connection in connections] == [b""] * len(begun)
    assert time.monotonic() - started < 10


def test_a_client_that_sends_too_slowly_is_told_so(endpoint: Any) -> None:
    with endpoint.connect() as connection:
        head = f"POST {endpoint.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {endpoint.token}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n".encode())
        reader = connection.makefile("rb")
        for _ in range(8):
            connection.sendall(b" ")
            time.sleep(0.25)
        assert reader.readline() == b"HTTP/1.1 408 Request Timeout\r\n"


def test_what_is_no_http_is_told_so(endpoint: Any) -> None:
    with endpoint.connect() as connection:
        connection.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert set(json.loads(body)) == {"error_code", "message"}


def test_what_records_say_is_not_logged(endpoint: Any) -> None:
    record = json.dumps({"company_name": SECRET})
    bodies: list[Any] = [
        {"dataframe_records": [{"left_entity": record, "right_entity": record}]},
        {"dataframe_records": [{"left_entity": SECRET, "right_entity": record}]},
        {"dataframe_records": [{"left_entity": record, SECRET: record}]},
        {"inputs": {"left_entity": [record], "right_entity": []}},
        {"params": {SECRET: 1}, "instances": [{"left_entity": record, "right_entity": record}]},
        {SECRET: record},
        f"{{{SECRET}".encode(),
        b'{"dataframe_records": ' + b"[" * 50_000 + SECRET.encode(),
    ]
    for body in bodies:
        assert endpoint.ask(body).status in (200, 400)
    assert endpoint.ask({"record": {"company_name": SECRET, SECRET: 3}}, "/match").status in (400, 503)
    assert endpoint.ask(b"", f"/{SECRET.replace(' ', '%20')}?q={WORD}").status == 404
    assert (
        endpoint.ask(f"{SECRET}\n".encode(), headers={"content-type": "text/csv", "x-request-id": SECRET}).status == 400
    )
    eventually(lambda: endpoint.log[-1]["status"] == 400)
    text = endpoint.settings.log.read_text(encoding="utf-8")
    assert WORD not in text
    assert endpoint.token not in text


def test_a_request_is_found_in_the_log_by_its_id(endpoint: Any, trained: Any) -> None:
    headers = {"content-type": "application/json", "x-request-id": "test-4711"}
    reply = endpoint.ask({"inputs": trained.pairs(3)}, headers=headers)
    assert reply.headers["x-request-id"] == "test-4711"
    eventually(lambda: any(line.get("request_id") == "test-4711" for line in endpoint.log))
    line = next(line for line in endpoint.log if line.get("request_id") == "test-4711")
    wanted = {"route": "invocations", "status": 200, "rows": 3, "model_version": "first"}
    assert wanted.items() <= line.items()


def test_a_second_endpoint_of_the_name_is_refused(endpoint: Any, launch_endpoint: Any) -> None:
    running = Running.find(endpoint.settings)
    assert running is not None and (running.pid, running.port) == (endpoint.process.pid, endpoint.port)
    code, told = launch_endpoint(replace(endpoint.settings)).outcome()
    assert (code, "runs already" in told) == (1, True)


def test_it_stops_with_all_it_has_begun_answered(trained: Any, tmp_path: Path, launch_endpoint: Any) -> None:
    lakehouse = LakehouseSettings(home=tmp_path)
    publish(lakehouse, trained.first, "first")
    endpoint = launch_endpoint(ServingSettings(lakehouse))
    endpoint.wait("/ready")
    replies: list[int] = []
    body = {"dataframe_records": trained.pairs(3_000)}
    asking = [threading.Thread(target=lambda: replies.append(endpoint.ask(body).status)) for _ in range(4)]
    for thread in asking:
        thread.start()
    eventually(lambda: endpoint.count("entity_matching_requests_under_way") == 4, 20)
    assert endpoint.stop() == 0
    for thread in asking:
        thread.join()
    assert replies == [200] * 4
    assert Running.find(endpoint.settings) is None
    with pytest.raises(OSError):
        endpoint.connect()


def test_processes_end_when_the_one_that_keeps_them_is_killed(
    trained: Any, tmp_path: Path, launch_endpoint: Any
) -> None:
    lakehouse = LakehouseSettings(home=tmp_path)
    publish(lakehouse, trained.first, "first")
    endpoint = launch_endpoint(ServingSettings(lakehouse))
    endpoint.wait("/ready")
    (worker,) = endpoint.workers()
    endpoint.process.kill()
    eventually(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE)
    assert Running.find(endpoint.settings) is None


def test_without_a_model_it_says_what_to_do(tmp_path: Path, launch_endpoint: Any) -> None:
    code, told = launch_endpoint(ServingSettings(LakehouseSettings(home=tmp_path))).outcome()
    assert code == 1
    assert "has no model" in told and "train-ditto-model" in told and "Traceback" not in told


def test_half_of_a_model_is_told_before_it_answers(trained: Any, tmp_path: Path, launch_endpoint: Any) -> None:
    lakehouse = LakehouseSettings(home=tmp_path)
    folder = publish(lakehouse, trained.first, "first")
    next(path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "model.json").unlink()
    code, told = launch_endpoint(ServingSettings(lakehouse)).outcome()
    assert code == 1
    assert str(folder) in told and "Traceback" not in told
