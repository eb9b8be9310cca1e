"""A training written down: what it was given, how it went, how good the model is, and the model itself, registered."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from entity_matching.errors import EntityMatchingError
from entity_matching.registry.versions import CHECKSUM, FINGERPRINT, Versions, shortened
from entity_matching.startup import import_spark_client
from entity_matching.version import __version__

AT_ONCE = 100
"""Parameters that MLflow takes in one call."""
LONGEST_PARAMETER = 6_000
"""Characters of a parameter's value that MLflow takes."""
_DESCRIPTION = "Decides which record of a master list a messy record denotes: Ditto and what decides beside it."


@dataclass(frozen=True)
class TrainingRecord:
    """What is known of a training.

    ``fingerprint``: digest of all it depends on. ``parameters``: settings, nested or not. ``metrics``: figures by
    name; ``None`` for one that is undefined. ``curves``: values by pass, from the first, by name. ``files``: contents
    by their path among the run's files. ``tags``: of the run, and of the version.
    """

    fingerprint: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def log_and_register(versions: Versions, training: TrainingRecord, model: Mapping[str, Any], checksum: str) -> str:
    """Log a training as a run, its model with it, and register the model.

    A version is registered with all its tags at once, so a kill before leaves none, and one that was killed in between
    is not whole (see :class:`Version`): it is never in force.

    :param model: what ``mlflow.pyfunc.log_model`` is called with; its files hold the list of checksums.
    :param checksum: digest of that list.
    :returns: the number that registration gave.
    """
    import mlflow  # noqa: PLC0415 - optional

    with suppress(ImportError):
        import_spark_client()  # MLflow looks for a session where it is installed
    client, location = versions.client, versions.location
    experiment = _experiment(versions)
    _end_killed(versions, experiment, training.fingerprint)
    tags = {FINGERPRINT: training.fingerprint, **code_version(), **training.tags}
    with mlflow.start_run(
        experiment_id=experiment, run_name=f"training {training.fingerprint}", nested=True, tags=tags
    ) as run:
        run_id = run.info.run_id
        _log(versions, run_id, training)
        logged = mlflow.pyfunc.log_model(name="model", **model)
    _ensure_model(versions)
    version = client.create_model_version(
        location.model,
        source=logged.model_uri,
        run_id=run_id,
        model_id=logged.model_id,
        tags={name: shortened(value) for name, value in {**tags, CHECKSUM: checksum}.items()},
    )
    return str(version.version)


def code_version() -> dict[str, str]:
    """Return the version of this package, and a digest of its code, which tells builds of one version apart."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\x1f" + path.read_bytes())
    return {"code_version": __version__, "code_digest": digest.hexdigest()[:12]}


def unfinished_runs(versions: Versions) -> list[str]:
    """Return the ids of runs that began to be written down and were killed: no version came of them."""
    experiment = versions.client.get_experiment_by_name(versions.location.experiment)
    if experiment is None:
        return []
    found = versions.client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'")
    return [run.info.run_id for run in found]


def _experiment(versions: Versions) -> str:
    client, location = versions.client, versions.location
    found = client.get_experiment_by_name(location.experiment)
    where = None if location.artifacts is None else location.artifacts.as_uri()
    if found is not None and found.lifecycle_stage == "deleted":
        raise EntityMatchingError(
            f"The experiment '{location.experiment}' was deleted in MLflow.",
            remedy=f"Restore it: mlflow experiments restore --experiment-id {found.experiment_id}",
        )
    if found is not None and where is not None and found.artifact_location != where:
        # the home was moved or copied, and an experiment writes to where it was made
        client.rename_experiment(found.experiment_id, f"{location.experiment} ({found.experiment_id})")
        found = None
    if found is None:
        return str(client.create_experiment(location.experiment, artifact_location=where))
    return str(found.experiment_id)


def _end_killed(versions: Versions, experiment: str, fingerprint: str) -> None:
    """Mark the runs of a training that was killed while it was written down as what they are."""
    query = f"attributes.status = 'RUNNING' AND tags.{FINGERPRINT} = '{fingerprint}'"
    for run in versions.client.search_runs([experiment], query):
        versions.client.set_terminated(run.info.run_id, "KILLED")


def _log(versions: Versions, run_id: str, training: TrainingRecord) -> None:
    from mlflow.entities import Metric, Param  # noqa: PLC0415 - optional

    client, now = versions.client, int(time.time() * 1_000)
    parameters = [Param(name, text[:LONGEST_PARAMETER]) for name, text in _flat(training.parameters)]
    for first in range(0, len(parameters), AT_ONCE):
        client.log_batch(run_id, params=parameters[first : first + AT_ONCE])
    metrics = [Metric(name, value, now, 0) for name, value in training.metrics.items() if value is not None]
    for name, values in training.curves.items():
        metrics += [Metric(name, value, now, step) for step, value in enumerate(values, start=1)]
    for first in range(0, len(metrics), AT_ONCE):
        client.log_batch(run_id, metrics=metrics[first : first + AT_ONCE])
    if not training.files:
        return
    with tempfile.TemporaryDirectory() as temporary:
        for name, content in training.files.items():
            path = Path(temporary) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        client.log_artifacts(run_id, temporary)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", str(value)


def _ensure_model(versions: Versions) -> None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - optional

    try:
        versions.client.create_registered_model(versions.location.model, description=_DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
