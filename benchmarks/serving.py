"""The endpoint beside MLflow's own server with the same model, and what matching over HTTP costs.

    python benchmarks/serving.py --data DIR [--seconds S] [--workers N] [--endurance N] [--json FILE]

DIR holds companies/reference.csv, companies/source.csv and companies/truth.csv. The model is trained on them, without
Ditto: nothing here measures how good it is. Load comes from a process of its own over the loopback, with a fixed number
of connections that each ask again once they are answered. With one worker a server has the first core to itself and
the load the others, where there are several.

* "pairs": one pair a request, to ``mlflow models serve`` and to ours, one process each, turn by turn.
* "match": one record a request to ``POST /match``; at the end at a fixed rate, by default 100 a second and worker.
* "endurance": so many further requests, half of them to each route, in ten steps; the memory of the processes after
  each, and how much it grew over the last eight.

The server's processor time stands beside its throughput: that of a machine which does other things, too, depends on it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

import _load
from _common import print_table, write_json
from entity_matching import Matcher, Schema
from entity_matching.files import read_table, write_table
from entity_matching.jobs import models, setup_unity_catalog
from entity_matching.lakehouse import LakehouseSettings
from entity_matching.registry.pyfunc_model import logged_model
from entity_matching.serving.settings import VARIABLE, ServingSettings
from entity_matching.serving.tokens import Permission, Tokens

CONNECTIONS = (1, 8, 32)
BODIES = 2_000
"""Different requests, asked in turn."""
STEPS = 10
"""Parts of the endurance, between which the memory is looked at."""
MATCH = "/match"
HEADER = ["server", "connections", "requests/s", "p50 ms", "p95 ms", "p99 ms", "cpu ms/request", "refused"]


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    name: str
    process: psutil.Process
    port: int
    token: str = ""

    def processes(self) -> list[psutil.Process]:
        """Return the processes it is made of."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu(self) -> float:
        """Return the processor time it has used, in seconds."""
        return float(sum(sum(process.cpu_times()[:2]) for process in self.processes()))

    def memory(self) -> float:
        """Return the memory its processes hold, in MB."""
        return float(sum(process.memory_info().rss for process in self.processes()) / 1e6)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=1, help="processes of the endpoint")
    parser.add_argument("--rate", type=float, default=100.0, help="records a second to match, for each worker")
    parser.add_argument("--endurance", type=int, default=0, help="further requests, e.g. 100000")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        folder = Path(temporary)
        _tell("a model is trained")
        bodies = _prepare(options.data / "companies", folder)
        cores = sorted(os.sched_getaffinity(0)) if options.workers == 1 else []
        served, loading = (set(cores[:1]), set(cores[1:])) if len(cores) > 1 else (None, None)
        with _on(served):
            ours = stack.enter_context(_ours(folder, options.workers))
            mlflow = stack.enter_context(_mlflow(folder))
        stack.enter_context(_on(loading))
        rows = []
        for connections in CONNECTIONS:
            for server, path in ((mlflow, "/invocations"), (ours, "/invocations"), (ours, MATCH)):
                rows.append(_measure(server, path, bodies[path], connections, options.seconds))
        rate = options.rate * options.workers
        rows.append(_measure(ours, MATCH, bodies[MATCH], max(CONNECTIONS), options.seconds, rate))
        steady = [_endure(ours, path, bodies[path], options.endurance // 2) for path in bodies if options.endurance]
    print_table("One pair or record a request", HEADER, [[row[column] for column in HEADER] for row in rows])
    if steady:
        print_table("Memory", list(steady[0]), [list(row.values()) for row in steady])
    settings = {
        "seconds": options.seconds,
        "workers": options.workers,
        "rate": options.rate,
        "endurance": options.endurance,
    }
    write_json(options.json, "serving", settings, {"load": rows, "memory": steady})


def _tell(what: str) -> None:
    """Say on stderr how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


@contextmanager
def _on(cores: set[int] | None) -> Iterator[None]:
    """Keep what is started meanwhile on some cores; ``None``: on all."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _prepare(data: Path, folder: Path) -> dict[str, list[str]]:
    """Train a model, make a catalog with the reference; return requests by their path."""
    schema = Schema.load(Path(__file__).parents[1] / "examples" / "companies" / "schema.yml")
    source, reference, truth = (read_table(data / f"{name}.csv") for name in ("source", "reference", "truth"))
    labels = pa.table({"source_key": truth["source_id"], "reference_key": truth["company_id"]})
    matcher = Matcher.train(source, reference, labels, schema=schema)
    lakehouse = LakehouseSettings(home=folder / "home")
    write_table(reference, folder / "reference.csv")
    (folder / "schema.yml").write_text(schema.to_yaml(), encoding="utf-8")
    given = ["--home", lakehouse.home, "--reference", folder / "reference.csv", "--schema", folder / "schema.yml"]
    setup_unity_catalog.JOB.run([str(text) for text in given])
    models.publish(lakehouse, matcher, "benchmark")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow  # noqa: PLC0415 - takes seconds

    saved = models.model_folder(lakehouse)
    mlflow.pyfunc.save_model(folder / "mlflow", **logged_model(saved, schema))
    rng = np.random.default_rng(0)
    candidates = matcher.match(source, reference)["candidates"].to_pylist()
    keys = reference["company_id"].to_pylist()
    by_key = dict(zip(keys, reference.to_pylist(), strict=True))
    sources = source.to_pylist()
    asked: dict[str, list[str]] = {"/invocations": [], MATCH: []}
    for row in rng.integers(0, len(sources), BODIES):
        listed = [found["entity_id"] for found in candidates[row]] or keys[:1]
        pair = {"left_entity": _text(sources[row]), "right_entity": _text(by_key[listed[rng.integers(len(listed))]])}
        asked["/invocations"].append(json.dumps({"dataframe_records": [pair]}))
        asked[MATCH].append(json.dumps({"record": _said(sources[row]), "unknown_attributes": "ignore"}))
    return asked


def _said(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value and not name.endswith("_id")}


def _text(record: dict[str, Any]) -> str:
    return json.dumps(_said(record))


@contextmanager
def _ours(folder: Path, workers: int) -> Iterator[Server]:
    lakehouse = LakehouseSettings(home=folder / "home")
    settings = ServingSettings(lakehouse, port=_free_port(), workers=workers, log=folder / "endpoint.log")
    token = Tokens(settings.tokens).create("benchmark", Permission.CAN_MANAGE)
    command = [sys.executable, "-m", "entity_matching.serving.server"]
    with _running(command, {VARIABLE: settings.to_json()}) as process:
        _wait(settings.port, "/ready")
        yield Server("ours", process, settings.port, token)


@contextmanager
def _mlflow(folder: Path) -> Iterator[Server]:
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "mlflow")]
    # MLflow looks for uvicorn on the path, whether or not this environment is activated
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with _running([*command, "--env-manager", "local", "-p", str(port)], path) as process:
        _wait(port, "/ping")
        yield Server("mlflow models serve", process, port)


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[psutil.Process]:
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=told, stderr=subprocess.STDOUT, process_group=0
        )
        try:
            yield psutil.Process(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(90)


def _wait(port: int, path: str, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    raise TimeoutError(f"the server on port {port} did not begin to answer in {seconds:g} s")


def _measure(
    server: Server, path: str, bodies: list[str], connections: int, seconds: float, rate: float | None = None
) -> dict[str, Any]:
    """Put load on a server for a while, after a little that is not counted."""
    _tell(f"{server.name}, {path}, {connections} connections")
    load = _load.Load(server.port, path, bodies, connections, seconds, rate=rate, token=server.token)
    _put(_load.Load(**{**asdict(load), "seconds": min(2.0, seconds)}))
    before = server.cpu()
    found = _put(load)
    cpu = server.cpu() - before
    latencies = np.array(found["latencies"] or [np.nan]) * 1000
    p50, p95, p99 = np.percentile(latencies, [50, 95, 99])
    answered = len(found["latencies"])
    refused = sum(found["statuses"].values()) - answered + found["failures"]
    figures = [answered / found["seconds"], p50, p95, p99, 1000 * cpu / max(answered, 1), refused]
    name = f"{server.name}, {path}" + ("" if rate is None else f", {rate:g} requests/s")
    return dict(zip(HEADER, [name, connections, *figures], strict=True))


def _endure(server: Server, path: str, bodies: list[str], requests: int) -> dict[str, Any]:
    """Ask very often, and look at the memory meanwhile."""
    each = max(requests // STEPS, 1)
    load = _load.Load(server.port, path, bodies, max(CONNECTIONS), 0.0, requests=each, token=server.token)
    memory, answered, refused = [server.memory()], 0, 0
    for step in range(1, STEPS + 1):
        found = _put(load)
        answered += len(found["latencies"])
        refused += each - len(found["latencies"])
        memory.append(server.memory())
        _tell(f"{path}: {step * each:,} requests, {memory[-1]:.0f} MB")
    # what is read and kept at first is not what leaks
    slope = np.polyfit(np.arange(STEPS - 1) * each / 10_000, memory[2:], 1)[0]
    return {
        "route": path, "requests": answered, "refused": refused, "before MB": memory[0], "after MB": memory[-1],
        "MB per 10,000": float(slope),
    }  # fmt: skip


def _put(load: _load.Load) -> dict[str, Any]:
    """Put load on a server from another process."""
    command = [sys.executable, _load.__file__]
    done = subprocess.run(command, input=json.dumps(asdict(load)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the load on {load.path} ended with {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
