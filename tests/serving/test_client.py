from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest

from entity_matching.serving.client import Client, EndpointError

Reply = tuple[int, Any, dict[str, str]]


class Asked(NamedTuple):
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: Any


class Endpoint:
    """Answers with replies, one after another; the last one is given again and again."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, answer, headers = endpoint.replies.pop(0) if len(endpoint.replies) > 1 else endpoint.replies[0]
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def client(self, told: list[str], **options: Any) -> Client:
        """Return a client for whom time passes as it sleeps."""
        now = [0.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        return Client("em", self.url, lambda: {"authorization": "Bearer em_x"}, tell=told.append, sleep=sleep,
                      clock=lambda: now[0], **options)  # fmt: skip


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


def refusal(status: int, message: str = "no", **headers: str) -> Reply:
    return status, {"error_code": "X", "message": message}, {name.replace("_", "-"): v for name, v in headers.items()}


def test_pairs_go_where_databricks_has_them_with_the_token(endpoint: Endpoint) -> None:
    endpoint.replies = [(200, {"predictions": [1]}, {})]
    payload = {"dataframe_records": [{"left_entity": "{}", "right_entity": "{}"}]}
    assert endpoint.client([]).invoke(payload) == {"predictions": [1]}
    asked = endpoint.asked[0]
    assert asked.path == "/serving-endpoints/em/invocations"
    assert asked.headers["authorization"] == "Bearer em_x"
    assert asked.body == payload


def test_a_cold_start_is_waited_for_with_a_line_for_each_try(endpoint: Endpoint) -> None:
    endpoint.replies = [refusal(503), refusal(504), refusal(502), (200, {"results": []}, {})]
    told: list[str] = []
    assert endpoint.client(told, patience=60).match({"records": []}) == {"results": []}
    assert len(endpoint.asked) == 4
    assert [line.split("trying again in ")[1] for line in told] == ["1 s.", "2 s.", "4 s."]


def test_it_waits_as_long_as_it_is_asked_to(endpoint: Endpoint) -> None:
    endpoint.replies = [refusal(429, retry_after="7"), (200, {}, {})]
    told: list[str] = []
    endpoint.client(told).match({})
    assert told[0].endswith("in 7 s.")


def test_patience_ends(endpoint: Endpoint) -> None:
    endpoint.replies = [refusal(503, "it starts")]
    with pytest.raises(EndpointError, match="it starts") as error:
        endpoint.client([], patience=10).match({})
    assert error.value.status == 503
    assert len(endpoint.asked) == 5  # at 0, 1, 3, 7 and 10 seconds


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "record 2 has no name"),
        (401, "ENTITY_MATCHING_TOKEN"),
        (403, "CAN_QUERY"),
        (404, "endpoint status"),
        (413, "--batch"),
        (500, "log"),
    ],
)
def test_errors_say_what_helps_and_are_not_tried_again(endpoint: Endpoint, status: int, words: str) -> None:
    endpoint.replies = [refusal(status, "record 2 has no name" if status == 400 else "no")]
    with pytest.raises(EndpointError) as error:
        endpoint.client([]).match({})
    assert words in str(error.value)
    assert error.value.status == status
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b""])
def test_an_answer_of_something_else_is_told(endpoint: Endpoint, answer: bytes) -> None:
    endpoint.replies = [(200, answer, {})]
    with pytest.raises(EndpointError, match="Check the address"):
        endpoint.client([]).match({})


def test_a_redirection_does_not_take_the_token_elsewhere(endpoint: Endpoint) -> None:
    endpoint.replies = [(307, b"", {"location": f"{endpoint.url}/elsewhere"})]
    with pytest.raises(EndpointError):
        endpoint.client([]).match({})
    assert len(endpoint.asked) == 1


def test_where_nothing_answers_it_is_said_after_patience() -> None:
    told: list[str] = []
    client = Client("em", "http://127.0.0.1:9", patience=0.01, tell=told.append)
    with pytest.raises(EndpointError, match="Nothing answers at http://127.0.0.1:9"):
        client.match({})
    with pytest.raises(EndpointError, match="is no address"):
        Client("em", "file:///etc/passwd").match({})
