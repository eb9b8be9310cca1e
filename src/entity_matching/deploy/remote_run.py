"""A job of a bundle, run in a Databricks workspace."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import replace

from entity_matching.deploy.phases import LAST, Deployment
from entity_matching.deploy.steps import JOBS
from entity_matching.errors import EntityMatchingError


def run_remote(deployment: Deployment, key: str, given: Mapping[str, str], tell: Callable[[str], None]) -> str:
    """Run a job that is deployed, and wait for its end.

    :param given: values of its parameters.
    :param tell: takes what the Databricks CLI says meanwhile: the address of the run, and how it stands.
    :returns: what the job's tasks told at their end.
    :raises EntityMatchingError: if there is no such job, or the run fails.
    """
    target, phase = deployment.cli.target, deployment.memory.phase or LAST
    jobs = deployment.bundles.load(LAST).jobs
    if key not in jobs:
        raise EntityMatchingError(f"There is no job '{key}'.", remedy=f"Jobs are: {', '.join(jobs)}.")
    if key not in deployment.bundles.load(phase).jobs:
        aside = " It is kept aside." if f"{JOBS}.{key}" in deployment.memory.kept else ""
        raise EntityMatchingError(
            f"The job '{key}' is no part of phase {phase}, which is deployed to {target}.{aside}",
            remedy=f"Deploy the phase it comes with: ./deploy-phase.sh {LAST} {target}",
        )
    declared = {str(one["name"]) for one in jobs[key].get("parameters") or ()}
    for name in given:
        if name not in declared:
            there = f"It has: {', '.join(sorted(declared))}." if declared else "It has none."
            raise EntityMatchingError(f"The job '{key}' has no parameter '{name}'.", remedy=there)
    version = deployment.memory.model_version
    if not deployment.file.path.exists():  # a fresh clone: the program wants to see the bundle
        with deployment.held():
            deployment.show(phase, version)
            deployment.file.keep()
    variables = deployment.bundles.variables(phase, version)
    cli = replace(deployment.cli, variables=variables)
    options = [f"--var={name}={value}" for name, value in sorted(variables.items())]
    parameters = [f"--params={as_parameter(name, value)}" for name, value in given.items()]
    return cli.call("bundle", "run", key, "-t", target, *options, *parameters, tell=tell).out


def as_parameter(name: str, value: str) -> str:
    """Return a parameter as the option ``--params`` takes it.

    That reads what holds one '=' as it is, and what holds several as a row of CSV.
    """
    text = f"{name}={value}"
    if text.count("=") == 1:
        return text
    row = io.StringIO()
    csv.writer(row, quoting=csv.QUOTE_ALL, lineterminator="").writerow([text])
    return row.getvalue()
