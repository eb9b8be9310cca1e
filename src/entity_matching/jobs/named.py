"""The jobs by their names."""

from __future__ import annotations

import importlib
from typing import Any

from entity_matching.errors import SettingsError
from entity_matching.jobs.job import Job

MODULES = {
    "setup-unity-catalog": "setup_unity_catalog",
    "train-ditto-model": "train_ditto_model",
    "ingest-source-entities": "ingest_source_entities",
    "exact-match": "exact_match",
    "score-candidates": "score_candidates",
    "write-results": "write_results",
    "generate-metrics": "generate_metrics",
    "run-pipeline": "pipeline",
    "run-matching": "run_matching",
    "compare-models": "compare_models",
    "maintain-tables": "maintain",
}
"""Modules of this package, in the order in which the jobs are first needed; each has a ``JOB`` and a ``main``."""


def find_job(name: str) -> Job[Any]:
    """Return a job; only its module is imported.

    :raises SettingsError: if there is none of this name.
    """
    module = MODULES.get(name)
    if module is None:
        raise SettingsError(f"There is no job '{name}'.", remedy=f"Jobs are: {', '.join(MODULES)}.")
    job: Job[Any] = importlib.import_module(f"entity_matching.jobs.{module}").JOB
    return job
