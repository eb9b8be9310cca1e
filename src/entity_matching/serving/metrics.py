"""What is counted, for Prometheus; of several processes the sum is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable, Prometheus's own, that names the folder in which the processes of an endpoint count."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the classes of latencies."""
PAIRS, RECORDS = "invocations", "match"
"""Routes, as they are called in counts and in the log."""
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
"""Upper bounds of the classes of batch sizes."""


class Metrics:
    """The counts of one process."""

    def __init__(self) -> None:
        import prometheus_client as prometheus  # noqa: PLC0415 - optional; and it looks at the environment

        self.registry = prometheus.CollectorRegistry()
        ours: dict[str, Any] = {"registry": self.registry, "namespace": "entity_matching"}
        self.requests = prometheus.Counter(
            "requests", "Requests that were answered, by route and status", ["route", "status"], **ours
        )
        self.seconds = prometheus.Histogram(
            "request_seconds", "Time from the first byte of a request to the last of its answer", ["route"],
            buckets=SECONDS, **ours,
        )  # fmt: skip
        self.rows = prometheus.Counter("rows", "Pairs and records that were asked about", ["route"], **ours)
        self.batch_rows = prometheus.Histogram(
            "batch_rows", "Pairs or records that were judged at once", ["route"], buckets=ROWS, **ours
        )
        self.batch_seconds = prometheus.Histogram(
            "batch_seconds", "Time that judging a batch took", ["route"], buckets=SECONDS, **ours
        )
        live: dict[str, Any] = {"multiprocess_mode": "livesum", **ours}
        self.queue = prometheus.Gauge("queue", "Requests whose pairs or records wait to be judged", ["route"], **live)
        self.under_way = prometheus.Gauge("requests_under_way", "Requests that are being answered", **live)
        self.serving = prometheus.Gauge(
            "workers", "Processes that serve a version", ["model_version", "reference_version"], **live
        )
        self.memory = prometheus.Gauge("resident_bytes", "Memory that the processes hold", **live)
        self.refresh_failures = prometheus.Counter(
            "refresh_failures", "Times that a new model or reference could not be taken", **ours
        )
        self.starts = prometheus.Counter("worker_starts", "Processes that began to answer", **ours)

    def batch(self, route: str, rows: int, seconds: float) -> None:
        """Count a batch that was judged."""
        self.batch_rows.labels(route).observe(rows)
        self.batch_seconds.labels(route).observe(seconds)

    def waiting(self, route: str, parts: int) -> None:
        """Tell how many wait."""
        self.queue.labels(route).set(parts)

    def text(self) -> tuple[bytes, str]:
        """Return the counts of all processes in Prometheus's format, and its media type."""
        import prometheus_client as prometheus  # noqa: PLC0415
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

        registry = self.registry
        if os.environ.get(FOLDER_VARIABLE):
            registry = prometheus.CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST


def forget(folder: Path, pid: int) -> None:
    """Leave out of the sums what a process that is no more was doing; what it has done still counts."""
    for path in folder.glob(f"gauge_live*_{pid}.db"):
        path.unlink(missing_ok=True)
