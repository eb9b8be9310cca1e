"""What to do after a phase has been deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from entity_matching.deploy.bundle import Bundle

PIPELINE = "entity_matching_pipeline"


def next_steps(bundle: Bundle) -> list[str]:
    """Return what to do next, one thing a line; commands stand after a colon."""
    target = bundle.target
    run = "entity-matching run {} -t " + target
    if bundle.phase == 1:
        return [
            f"Make the catalog {bundle.catalog}: {run.format('setup_unity_catalog')}",
            f"Train and register the model: {run.format('train_ditto_model')}",
            f"Then deploy the endpoint: ./deploy-phase.sh 2 {target}",
        ]
    name = next((str(endpoint.get("name")) for endpoint in bundle.endpoints.values()), "")
    if bundle.phase == 2:
        # on this machine it was waited for
        first = (
            f"See how {name} does: entity-matching endpoint status -t {target}"
            if bundle.is_local
            else f"Wait until {name} is ready, minutes if it is new or changed: "
            f"entity-matching endpoint wait -t {target}"
        )
        return [
            first,
            f"Ask it: entity-matching endpoint query -t {target} --help",
            f"Then deploy the pipelines: ./deploy-phase.sh 3 {target}",
        ]
    return [
        *_schedule(bundle.jobs.get(PIPELINE, {})),
        f"Run it now: {run.format(PIPELINE)}",
        f"Match a table or file on demand: {run.format('adhoc_entity_matching')}",
        f"See how it goes: entity-matching status -t {target}",
    ]


def _schedule(job: Mapping[str, Any]) -> list[str]:
    schedule = job.get("schedule")
    if not schedule:
        return []
    when = f"{schedule.get('quartz_cron_expression')} ({schedule.get('timezone_id')})"
    if schedule.get("pause_status") == "PAUSED":
        return [
            f"The pipeline's schedule, {when}, is paused. Let it run: deploy with --var pipeline_pause_status=UNPAUSED"
        ]
    return [f"The pipeline runs by its schedule, {when}."]
