"""A training written down in MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.registry.tracking import TrainingRecord, code_version, log_and_register, unfinished_runs
from entity_matching.registry.versions import Versions
from entity_matching.version import __version__

if TYPE_CHECKING:
    from tests.registering import Register


def test_a_training_is_logged_with_all_that_is_known_of_it(
    versions: Versions, register: Register, tmp_path: Path
) -> None:
    given, checksum = register.model("third")
    many = {f"figure.{n}": n / 1_000 for n in range(250)}
    record = TrainingRecord(
        fingerprint="third",
        parameters={"matcher": {"search": {"limit": 50}, "ditto": None}, "seed": 7, "long": "x" * 10_000},
        metrics={**many, "f1": 0.9, "f1_low": 0.8, "undefined": None},
        curves={"ditto.labels.loss": [0.7, 0.5, 0.4]},
        files={"plots/threshold.png": b"png", "evaluation.html": b"<html>"},
        tags={"run_id": "r1"},
    )
    number = log_and_register(versions, record, given, checksum)
    version = versions.get(number)
    assert (number, version.state) == ("3", "ready")
    assert version.tags == {
        "fingerprint": "third", "checksum": checksum, "run_id": "r1", **code_version(),
    }  # fmt: skip
    run = versions.client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["fingerprint"] == "third"
    assert run.data.params["matcher.search.limit"] == "50" and run.data.params["seed"] == "7"
    assert len(run.data.params["long"]) == 6_000
    assert (run.data.metrics["f1"], run.data.metrics["f1_low"], len(run.data.metrics)) == (0.9, 0.8, 253)
    curve = versions.client.get_metric_history(version.run_id, "ditto.labels.loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.7), (2, 0.5), (3, 0.4)]
    assert {file.path for file in versions.client.list_artifacts(version.run_id)} == {"plots", "evaluation.html"}
    assert versions.all()[0] == version
    versions.fetch(number, tmp_path / number)


def test_the_version_of_the_code_tells_builds_apart() -> None:
    found = code_version()
    assert found["code_version"] == __version__
    assert len(found["code_digest"]) == 12 and found == code_version()


def test_a_run_that_was_killed_is_named_and_then_marked(versions: Versions, register: Register) -> None:
    register(versions, "before")
    experiment = versions.client.get_experiment_by_name(versions.location.experiment)
    assert experiment is not None
    runs = [
        versions.client.create_run(experiment.experiment_id, tags={"fingerprint": text}).info.run_id
        for text in ("third", "another")
    ]
    assert sorted(unfinished_runs(versions)) == sorted(runs)
    register(versions, "third")
    assert unfinished_runs(versions) == [runs[1]]
    assert versions.client.get_run(runs[0]).info.status == "KILLED"


def test_a_failure_before_registration_leaves_no_version(
    versions: Versions, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow  # noqa: PLC0415

    def killed(**_given: object) -> None:
        raise KeyboardInterrupt

    given, checksum = register.model("third")
    with monkeypatch.context() as patched:
        patched.setattr(mlflow.pyfunc, "log_model", killed)
        with pytest.raises(KeyboardInterrupt):
            log_and_register(versions, TrainingRecord("third", {}), given, checksum)
    assert [version.number for version in versions.all()] == ["2", "1"]
    assert register(versions, "third") == "3"


def test_a_deleted_experiment_is_an_error_that_says_how_to_restore_it(versions: Versions, register: Register) -> None:
    experiment = versions.client.get_experiment_by_name(versions.location.experiment)
    assert experiment is not None
    versions.client.delete_experiment(experiment.experiment_id)
    with pytest.raises(EntityMatchingError, match="was deleted.*mlflow experiments restore"):
        register(versions, "third")


def test_the_first_training_makes_experiment_and_model(settings_without: Versions, register: Register) -> None:
    assert unfinished_runs(settings_without) == []
    assert register(settings_without, "first") == "1"


@pytest.fixture
def settings_without(versions: Versions) -> Versions:
    """Return the versions of another catalog, which has none."""
    from entity_matching.lakehouse import LakehouseSettings  # noqa: PLC0415
    from entity_matching.registry.location import RegistryLocation  # noqa: PLC0415

    assert versions.location.database is not None
    home = versions.location.database.parents[1]
    return Versions(versions.client, RegistryLocation.of(LakehouseSettings(home=home, catalog="other")))
