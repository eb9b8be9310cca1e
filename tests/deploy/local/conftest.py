"""What is deployed to a home, made by hand, and processes that are waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from entity_matching.deploy import schedule
from entity_matching.deploy.local.deployed import Deployed

JOB = "nightly"
Deploy = Callable[..., Deployed]


def until(question: Callable[[], Any], seconds: float = 90.0) -> Any:
    """Wait until a question is answered with something, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := question():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not so after {seconds:g} s: {question}")


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Any]:
    return until


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Deploy]:
    """Write down that a job is deployed which makes the catalog; stop the scheduler at the end."""
    home = tmp_path / "home"

    def write(cron: str | None = None, *, since: str = "2026-01-01T00:00:00+00:00", **more: Any) -> Deployed:
        wheel = {"entry_point": "setup-unity-catalog", "named_parameters": {"run-id": "{{job.run_id}}"}}
        job: dict[str, Any] = {"name": "Nightly", "tasks": [{"task_key": "only", "python_wheel_task": wheel}], **more}
        if cron is not None:
            job["schedule"] = {"quartz_cron_expression": cron, "timezone_id": "UTC"}
        deployed = Deployed(home, tmp_path, 3, "entity_matching", since, jobs={JOB: job},
                            scheduled_since={JOB: since} if cron else {})  # fmt: skip
        deployed.write()
        return deployed

    yield write
    schedule.stop(home)
