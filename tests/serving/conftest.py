"""A small matcher, endpoints that serve it as processes of their own, and MLflow's own server beside them."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from entity_matching.config import MatcherSettings, ScorerSettings, SearchSettings
from entity_matching.files import read_table
from entity_matching.jobs.models import publish
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.matcher import Matcher
from entity_matching.schema import Schema
from entity_matching.serving.server import Running
from entity_matching.serving.settings import VARIABLE, ServingSettings
from entity_matching.serving.tokens import Permission, Tokens

EXAMPLE = Path(__file__).parents[2] / "examples" / "companies"
JSON = {"content-type": "application/json"}
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
# MLflow looks for uvicorn on the path, whether or not this environment is activated
WITH_SCRIPTS = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
SMALL = MatcherSettings(
    search=SearchSettings(limit=8, threads=1),
    scorer=ScorerSettings(trees=20, learning_rate=0.2, folds=2, synthetic_records=100, threads=1),
)


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


@dataclass
class Site:
    """A server on this machine, in a process of its own."""

    process: subprocess.Popen[bytes]
    port: int
    path: str
    token: str = ""

    def ask(
        self, body: Any = None, path: str | None = None, *, method: str = "POST", headers: Any = JSON, token: Any = None
    ) -> Reply:
        """Send a request, and return what is answered."""
        secret = self.token if token is None else token
        sent = {**headers, **({"authorization": f"Bearer {secret}"} if secret else {})}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path or self.path, content, sent)
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def get(self, path: str, token: Any = None) -> Reply:
        """Ask without a body."""
        return self.ask(None, path, method="GET", headers={}, token=token)

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def wait(self, path: str, seconds: float = 90.0) -> None:
        """Wait until a path is answered with 200."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the server has ended"
            try:
                if self.get(path).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{path} was not answered in {seconds} s")

    def stop(self) -> int:
        """Tell the server to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@dataclass
class Endpoint(Site):
    """An endpoint of ours."""

    settings: ServingSettings = ServingSettings()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of its log; each of them must be JSON."""
        assert self.settings.log is not None
        return [json.loads(line) for line in self.settings.log.read_text(encoding="utf-8").splitlines()]

    def count(self, name: str) -> float:
        """Return a figure of its metrics, summed over labels."""
        lines = self.get("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def workers(self) -> list[int]:
        """Return the ids of its processes."""
        shown = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in shown.stdout.split()]

    def outcome(self) -> tuple[int, str]:
        """Wait until it has ended by itself; return its exit code, and what it wrote to stderr."""
        _, told = self.process.communicate(timeout=90)
        return self.process.returncode, told.decode()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(settings: ServingSettings) -> Endpoint:
    """Start an endpoint as a process, with a token that may manage it; it is not waited for."""
    secret = Tokens(settings.tokens).create(f"tests{secrets.token_hex(2)}", Permission.CAN_MANAGE)
    settings = replace(settings, port=free_port(), log=settings.folder / "endpoint.log")
    process = subprocess.Popen(
        [sys.executable, "-m", "entity_matching.serving.server"],
        env={**QUIET, VARIABLE: settings.to_json()},
        stderr=subprocess.PIPE,
    )
    return Endpoint(process, settings.port, settings.path, secret, settings)


@dataclass(frozen=True)
class Trained:
    """Two matchers that differ, and the records they were trained on."""

    first: Matcher
    second: Matcher
    source: pa.Table
    reference: pa.Table

    def pairs(self, number: int) -> list[dict[str, str]]:
        """Return pairs as a request has them."""
        left, right = self.source.to_pylist(), self.reference.to_pylist()
        return [
            {"left_entity": _written(left[n % len(left)]), "right_entity": _written(right[7 * n % len(right)])}
            for n in range(number)
        ]


def _written(record: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in record.items() if value and not name.endswith("_id")})


@pytest.fixture(scope="session")
def trained() -> Trained:
    schema = Schema.load(EXAMPLE / "schema.yml")
    source, reference = (read_table(EXAMPLE / name) for name in ("source.csv", "reference.csv"))
    source, reference = source.slice(0, 60), reference.slice(0, 400)
    first, second = (
        Matcher.train(source, reference, schema=schema, settings=replace(SMALL, scorer=scorer))
        for scorer in (SMALL.scorer, replace(SMALL.scorer, trees=5))
    )
    return Trained(first, second, source, reference)


@pytest.fixture(scope="session")
def endpoint(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Return an endpoint of two processes, which tests share: they leave it as they found it."""
    lakehouse = LakehouseSettings(home=tmp_path_factory.mktemp("home"))
    publish(lakehouse, trained.first, "first")
    settings = ServingSettings(lakehouse, workers=2, refresh_s=0.3, read_timeout_s=1.5, timeout_s=20)
    launched = launch(settings)
    try:
        launched.wait("/ready")
        while not (running := Running.find(settings)) or not running.ready:  # both processes
            time.sleep(0.1)
        yield launched
    finally:
        launched.stop()


@pytest.fixture
def launch_endpoint() -> Iterator[Callable[[ServingSettings], Endpoint]]:
    """Start endpoints of which a test has its own; those that still run are killed."""
    launched: list[Endpoint] = []

    def start(settings: ServingSettings) -> Endpoint:
        launched.append(launch(settings))
        return launched[-1]

    yield start
    for endpoint in launched:
        endpoint.process.kill()
        endpoint.process.wait()


@pytest.fixture(scope="session")
def mlflow_server(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return MLflow's own server of the same matcher."""
    import mlflow  # noqa: PLC0415 - heavy

    from entity_matching.registry.pyfunc_model import logged_model  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("mlflow")
    trained.first.save(folder / "matcher")
    mlflow.pyfunc.save_model(folder / "model", **logged_model(folder / "matcher", trained.first.schema))
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "model"), "--env-manager", "local"]
    process = subprocess.Popen(
        [*command, "-p", str(port)],
        env=QUIET | WITH_SCRIPTS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    site = Site(process, port, "/invocations")
    try:
        site.wait("/ping")
        yield site
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
