"""The job ``run-pipeline``: a night's stages, one after the other, in one process, as one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from entity_matching.jobs import (
    exact_match,
    generate_metrics,
    ingest_source_entities,
    score_candidates,
    write_results,
)
from entity_matching.jobs.exact_match import ExactMatchParameters
from entity_matching.jobs.generate_metrics import MetricsParameters
from entity_matching.jobs.ingest_source_entities import IngestParameters
from entity_matching.jobs.job import Context, Figures, Job
from entity_matching.jobs.score_candidates import ScoreCandidatesParameters
from entity_matching.jobs.write_results import WriteResultsParameters

STAGES: tuple[Job[Any], ...] = (
    ingest_source_entities.JOB,
    exact_match.JOB,
    score_candidates.JOB,
    write_results.JOB,
    generate_metrics.JOB,
)
"""In the order in which they are done; as tasks of a job on Databricks they depend on each other in this order."""


class PipelineParameters(
    IngestParameters, ExactMatchParameters, ScoreCandidatesParameters, WriteResultsParameters, MetricsParameters
):
    """The parameters of all stages."""


def _work(context: Context, given: PipelineParameters) -> Figures:
    """Do the stages; each writes down its own run, so that it shows where a run ended that did not come to its end."""
    return {stage.name: _done(stage, context, given) for stage in _asked(given)}


def _asked(given: PipelineParameters) -> Iterator[Job[Any]]:
    """Yield the stages; without anything to take over the first is left out."""
    for stage in STAGES:
        if stage is not ingest_source_entities.JOB or given.source or given.reference:
            yield stage


def _done(stage: Job[Any], context: Context, given: PipelineParameters) -> dict[str, Any]:
    if context.progress is not None:
        context.progress(stage.name, 0.0)
    own = stage.parameters(**{name: getattr(given, name) for name in stage.parameters.model_fields})
    figures = dict(stage.recorded(context, own.model_copy(update={"run_id": context.run_id}), last=False))
    if context.progress is not None:
        context.progress(stage.name, 1.0)
    del figures["run_id"]
    return figures


JOB = Job(
    "run-pipeline",
    "Take over what came in, match what needs it, write gold and measure: a night's stages as one run.",
    PipelineParameters,
    _work,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job as a process."""
    JOB.main(argv)
