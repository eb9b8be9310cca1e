"""Training from the tables."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from tests.filling import fill

from entity_matching.errors import EntityMatchingError, SettingsError
from entity_matching.jobs import models, train_ditto_model, training_record
from entity_matching.jobs.drift import PROFILE
from entity_matching.jobs.train_ditto_model import JOB, TrainParameters
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, maintenance, open_lakehouse
from entity_matching.lakehouse.tables import (
    LABELED_PAIRS,
    REFERENCE_ENTITIES,
    REVIEW_DECISIONS,
    SOURCE_ENTITIES,
    TRAINING_PAIRS,
)
from entity_matching.matcher import Matcher
from entity_matching.registry.versions import Version, Versions

pytestmark = pytest.mark.spark

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SCHEMA = """
key: {source: source_id, reference: entity_id}
attributes:
  name: {kind: name}
  city: {kind: category}
  lei: {kind: identifier, type: own}
"""
QUICK = {
    "search": {"limit": 8, "threads": 1},
    "scorer": {"trees": 20, "folds": 2, "synthetic_records": 80, "threads": 1},
}
PLACES = ["Aarhus", "Bonn", "Turin", "Malaga"]
SORTS = ["Brewery", "Foundry", "Tannery", "Bakery", "Dairy", "Mill", "Printers", "Weavers", "Glass", "Salt"]
NAMES = [(f"{place} {sort}", place) for place in PLACES for sort in SORTS]


def _hash(*texts: str | None) -> str:
    return hashlib.sha256("|".join(text or "" for text in texts).encode()).hexdigest()


def _rows(keys: list[dict[str, str]], attributes: list[dict[str, str]], time: str) -> pa.Table:
    hashes = [_hash(*given.values()) for given in attributes]
    columns: dict[str, Any] = {name: [key[name] for key in keys] for name in keys[0]}
    columns["attributes"] = pa.array([list(given.items()) for given in attributes], pa.map_(pa.string(), pa.string()))
    columns |= {"content_hash": hashes, "row_hash": hashes, "run_id": ["r"] * len(keys)}
    columns[time] = pa.array([NOW] * len(keys), pa.timestamp("us", "UTC"))
    return pa.table(columns)


def _label(lake: Lakehouse, labels: list[tuple[str, str | None]]) -> None:
    systems, ids = ["crm"] * len(labels), [key for key, _ in labels]
    fill(lake, LABELED_PAIRS, pa.table({
        "source_system": systems, "source_id": ids,
        "entity_id": pa.array([entity for _, entity in labels], pa.string()),
        "origin": ["labels.csv"] * len(labels),
        "labeled_at": pa.array([NOW] * len(labels), pa.timestamp("us", "UTC")),
    }))  # fmt: skip


def _review(lake: Lakehouse, key: str, entity: str | None) -> None:
    fill(lake, REVIEW_DECISIONS, pa.table({
        "source_system": ["crm"], "source_id": [key], "decision": ["match" if entity else "no_match"],
        "entity_id": pa.array([entity], pa.string()), "decided_by": ["ann"], "note": pa.array([None], pa.string()),
        "decided_at": pa.array([NOW], pa.timestamp("us", "UTC")),
    }))  # fmt: skip


def _fill(lake: Lakehouse) -> None:
    """Forty houses; a source writes every other in capitals and leaves letters out; three more carry an identifier."""
    lake.create()
    (lake.settings.artifacts).mkdir(parents=True)
    (lake.settings.artifacts / "schema.yml").write_text(SCHEMA)
    entities = [{"entity_id": f"E{n}"} for n in range(len(NAMES))]
    values = [
        {"entity_id": f"E{n}", "name": name, "city": city, "lei": f"L{n}"} for n, (name, city) in enumerate(NAMES)
    ]
    fill(lake, REFERENCE_ENTITIES, _rows(entities, values, "loaded_at"))
    source = [
        {"source_id": f"S{n}", "name": name[:-2].upper(), "city": city} for n, (name, city) in enumerate(NAMES) if n % 2
    ]
    source += [{"source_id": f"T{n}", "name": NAMES[n][0][:-1], "city": NAMES[n][1], "lei": f"L{n}"} for n in (0, 2, 3)]
    source += [{"source_id": "Z", "name": "Nobody", "city": "Rome"}]
    keys = [{"source_system": "crm", "source_id": row["source_id"]} for row in source]
    fill(lake, SOURCE_ENTITIES, _rows(keys, source, "ingested_at"))


@pytest.fixture
def home(tmp_path: Path, give_registry: Callable[[Path], None]) -> Path:
    settings = tmp_path / "quick.yml"
    settings.write_text(yaml.safe_dump(QUICK))
    give_registry(tmp_path)
    return tmp_path


@pytest.fixture
def plots() -> None:
    """Have plots and report made in this test."""


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Leave out plots and report, which take seconds, but where they are looked at."""
    if "plots" not in request.fixturenames:
        monkeypatch.setattr(training_record, "_pictures", lambda *_given: ())


@pytest.fixture
def lake(home: Path) -> Iterator[Lakehouse]:
    with open_lakehouse(LakehouseSettings(home=home)) as opened:
        _fill(opened)
        yield opened


def _run(lake: Lakehouse, *more: str) -> dict[str, Any]:
    from entity_matching.jobs.job import Context  # noqa: PLC0415
    from entity_matching.jobs.parameters import parse  # noqa: PLC0415

    home = lake.settings.home
    given = parse(
        TrainParameters, ["--ditto", "false", "--settings", str(home / "quick.yml"), *more], program="x", description=""
    )
    return dict(JOB.recorded(Context(lake, "run1", lambda: NOW), given))


def _pairs(lake: Lakehouse) -> list[dict[str, Any]]:
    return list(lake.read(TRAINING_PAIRS).orderBy("source_id").toArrow().to_pylist())


def test_labels_reviews_and_identifiers_make_a_model_in_force(lake: Lakehouse) -> None:
    _label(lake, [*((f"S{n}", f"E{n}") for n in range(1, 40, 2)), ("gone", "E1"), ("T0", "E99")])
    _review(lake, "S5", None)
    _review(lake, "Z", None)
    figures = _run(lake, "--target-precision", "0.5")
    pairs = {row["source_id"]: row for row in _pairs(lake)}
    # the review of S5 goes before its label, and labels of what is not there are left out
    assert (pairs["S5"]["entity_id"], pairs["S5"]["is_match"], pairs["S5"]["provenance"]) == ("", False, "review")
    assert (pairs["S7"]["entity_id"], pairs["S7"]["is_match"], pairs["S7"]["provenance"]) == ("E7", True, "label")
    assert (pairs["T0"]["entity_id"], pairs["T0"]["provenance"]) == ("E0", "identifier")
    assert "gone" not in pairs and pairs["Z"]["provenance"] == "review"
    # one entity is on one side only: T3 and S3 both are E3
    assert pairs["T3"]["split"] == pairs["S3"]["split"]
    kept = {row["source_id"] for row in pairs.values() if row["split"] == "evaluation"}
    assert 3 <= len([key for key in kept if not key.startswith("T")]) <= 6
    # the model has not seen what it was measured on
    matcher = Matcher.load(models.model_folder(lake.settings))
    learnt = {row["entity_id"] for row in pairs.values() if row["split"] == "train" and row["provenance"] == "label"}
    assert set(matcher.model.entities) == learnt
    assert figures["model"] == models.current(lake.settings)
    assert figures["evaluation"]["records"] == len([key for key in kept if not key.startswith("T")])
    assert figures["evaluation"]["f1"]["value"] > 0.5
    assert figures["held_out"]["records"] > 0 and set(figures["held_out"]) == {"records", "features"}  # without Ditto
    # people's own tables have the key they always had
    assert matcher.schema.key.source == "source_id"
    folder = models.model_folder(lake.settings)
    profile = models.document(folder, PROFILE)
    assert profile["records"] == 24 and set(profile["attributes"]) == {"name", "city", "lei"}
    assert sum(profile["confidence"]) > 0
    assert models.document(folder, models.TRAINING)["run_id"] == "run1"
    rows = (
        lake.sql("SELECT metric, label, value FROM gold.pipeline_metrics WHERE stage = 'train'").toArrow().to_pylist()
    )
    found = {(row["metric"], row["label"]): row["value"] for row in rows}
    assert found["f1", ""] == figures["evaluation"]["f1"]["value"]
    assert found["pairs", "identifier/train"] + found["pairs", "identifier/evaluation"] == 3
    assert not list((lake.settings.home / "training").rglob("*"))


def test_trained_again_on_the_same_it_is_the_same_version(lake: Lakehouse) -> None:
    _label(lake, [(f"S{n}", f"E{n}") for n in range(1, 40, 2)])
    first = _run(lake)
    history = maintenance.history(lake, TRAINING_PAIRS)
    second = _run(lake)
    assert (first.pop("trained_before"), second.pop("trained_before")) == (False, True)
    assert second.pop("reason") == f"decided before: {first.pop('reason')}"
    assert first == second
    assert (first["model"], first["promoted"]) == ("1", True)
    assert maintenance.history(lake, TRAINING_PAIRS) == history
    assert _run(lake, "--again")["model"] == "2"
    assert len(_pairs(lake)) == 23  # twenty labels and the identifiers of T0 and T2; T3's entity has a label, too...
    _review(lake, "S1", "E2")
    assert _run(lake)["model"] != first["model"]
    assert len(models.versions(lake.settings)) == 3


def test_without_any_label_it_learns_from_the_reference(lake: Lakehouse) -> None:
    figures = _run(lake)
    assert figures["evaluation"] == {"records": 0}
    assert {row["provenance"] for row in _pairs(lake)} == {"identifier"}
    assert Matcher.load(models.model_folder(lake.settings)).model.provenance["labels"] == 0
    assert sum(models.document(models.model_folder(lake.settings), PROFILE)["confidence"]) == 24


def test_labels_that_name_no_entity_teach_nothing(lake: Lakehouse) -> None:
    _label(lake, [("Z", None)])
    _run(lake)
    assert Matcher.load(models.model_folder(lake.settings)).model.provenance["labels"] == 0


def test_without_sources_it_learns_from_the_reference_alone(lake: Lakehouse) -> None:
    lake.sql(f"DELETE FROM {lake.name(SOURCE_ENTITIES)}")
    assert _run(lake)["evaluation"] == {"records": 0}


def test_without_a_reference_it_says_what_to_load(lake: Lakehouse) -> None:
    lake.sql(f"DELETE FROM {lake.name(REFERENCE_ENTITIES)}")
    with pytest.raises(EntityMatchingError, match="has no reference records.*setup-unity-catalog"):
        _run(lake)
    assert models.current(lake.settings) is None


def test_a_limit_that_bites_is_said_and_spares_the_labelled(lake: Lakehouse, caplog: pytest.LogCaptureFixture) -> None:
    _label(lake, [(f"S{n}", f"E{n}") for n in range(1, 40, 2)])
    _run(lake, "--source-limit", "20", "--evaluation-share", "0")
    assert "20 of 24 source records are read" in caplog.text
    assert {row["split"] for row in _pairs(lake)} == {"train"}
    assert len(_pairs(lake)) == 20


def test_the_parameters_say_how_it_is_trained(tmp_path: Path) -> None:
    path = tmp_path / "settings.yml"
    path.write_text(yaml.safe_dump({**QUICK, "seed": 7, "ditto": {"epochs": 9, "batch": 8}}))
    more = {"settings": path, "epochs": 2, "encoder": "bert", "target_precision": 0.9}
    given = TrainParameters.model_validate(more)
    settings = given.matcher_settings()
    assert settings.ditto is not None
    assert (settings.ditto.epochs, settings.ditto.batch, settings.ditto.encoder) == (2, 8, "bert")
    assert (settings.seed, settings.decision.target_precision, settings.scorer.trees) == (7, 0.9, 20)
    assert TrainParameters.model_validate({"settings": path, "ditto": False}).matcher_settings().ditto is None
    default = TrainParameters.model_validate({}).matcher_settings()
    assert default.ditto is not None and default.ditto.encoder == "minilm"
    path.write_text("- {")
    with pytest.raises(SettingsError, match="cannot be read"):
        given.matcher_settings()


def test_ditto_gets_a_folder_to_go_on_from(lake: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def killed(*_tables: Any, checkpoints: Path, **_more: Any) -> Matcher:
        seen.append(checkpoints)
        checkpoints.mkdir(parents=True, exist_ok=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(Matcher, "train", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            _run(lake)
    assert seen[0] == seen[1] and seen[0].is_dir()
    assert seen[0].is_relative_to(lake.settings.home)


def test_a_model_with_ditto(lake: Lakehouse, small_encoder: Path) -> None:
    _label(lake, [(f"S{n}", f"E{n}") for n in range(1, 40, 2)])
    quick = QUICK | {
        "ditto": {"max_tokens": 48, "precision": "fp32", "device": "cpu", "threads": 1},
        "cascade": {"low": 0.3, "high": 0.7, "folds": 2, "pretraining_epochs": 1, "pretraining_records": 40},
    }
    (lake.settings.home / "quick.yml").write_text(yaml.safe_dump(quick))
    figures = _run(lake, "--ditto", "true", "--encoder", str(small_encoder), "--epochs", "1")
    assert figures["ditto"] is True
    assert Matcher.load(models.model_folder(lake.settings)).model.cascade is not None
    assert not list((lake.settings.home / "training").rglob("*"))


def _version(lake: Lakehouse, number: str) -> Version:
    with Versions.open(lake.settings) as versions:
        return versions.get(number)


RIGHT: list[tuple[str, str | None]] = [(f"S{n}", f"E{n}") for n in range(1, 40, 2)]


def test_the_run_in_mlflow_says_how_it_went(lake: Lakehouse, plots: None) -> None:
    _label(lake, RIGHT)
    figures = _run(lake, "--target-precision", "0.5")
    version = _version(lake, "1")
    with Versions.open(lake.settings) as versions:
        run = versions.client.get_run(version.run_id)
        files = {file.path for file in versions.client.list_artifacts(version.run_id)}
        drawn = {file.path for file in versions.client.list_artifacts(version.run_id, "plots")}
    assert run.data.params["matcher.scorer.trees"] == "20"
    assert run.data.params["job.evaluation_share"] == "0.2"
    f1 = figures["evaluation"]["f1"]
    assert [run.data.metrics[f"evaluation.f1{end}"] for end in ("", "_low", "_high")] == list(f1.values())
    assert run.data.metrics["threshold.match"] == figures["thresholds"]["match"]
    assert files >= {"model_card.json", "schema.yml", "evaluation.html", "training.json", "profile.json"}
    assert drawn == {f"plots/{name}.png" for name in ("precision_and_recall", "threshold", "calibration", "confidence")}
    assert version.tags["fingerprint"] == figures["fingerprint"]
    assert version.tags["training_pairs_version"] == str(maintenance.history(lake, TRAINING_PAIRS, 1)[0].version)
    assert version.tags["reason"] == figures["reason"] == "it is the first: no version was in force"


def test_a_worse_model_is_registered_as_challenger_and_says_why(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    _label(lake, [*RIGHT, ("Z", None)])
    _review(lake, "S5", None)
    first = _run(lake, "--target-precision", "0.5")
    assert first["promoted"] and first["evaluation"]["f1"]["value"] > 0.5
    plain = Matcher.train

    def doubtful(*tables: Any, **how: Any) -> Matcher:
        """Train a model that was always wrong on what it had not seen, and so accepts no more than it must."""
        model = plain(*tables, **how).model
        outcomes = replace(model.outcomes, right=np.zeros_like(model.outcomes.right))
        return Matcher(replace(model, outcomes=outcomes))

    monkeypatch.setattr(Matcher, "train", doubtful)
    worse = _run(lake, "--target-precision", "0.9999")
    assert worse["model"] == "2" and not worse["promoted"]
    assert worse["reason"].startswith("worse than the champion on 4 records: F1 -")
    assert worse["gate"]["differences"]["f1"]["high"] < 0
    assert models.current(lake.settings) == "1"
    version = _version(lake, "2")
    assert (version.aliases, version.tags["verdict"]) == (("challenger",), "refused")
    assert version.tags["reason"] == worse["reason"]
    # asked again it says the same, and is put in force if that is asked for outright
    again = _run(lake, "--target-precision", "0.9999")
    assert (again["trained_before"], again["promoted"]) == (True, False) and worse["reason"] in again["reason"]
    assert _run(lake, "--target-precision", "0.9999", "--promote", "always")["promoted"]
    assert models.current(lake.settings) == "2"


def test_a_model_as_good_is_promoted_by_records_that_neither_has_learnt_from(lake: Lakehouse) -> None:
    _label(lake, RIGHT)
    _run(lake, "--evaluation-share", "0.5")
    _label(lake, [("Z", None)])
    figures = _run(lake, "--evaluation-share", "0.5")
    assert figures["promoted"] and figures["reason"].startswith("not worse than the champion on ")
    assert 8 <= figures["gate"]["records"] <= 11
    assert models.current(lake.settings) == "2"


def test_without_records_that_the_champion_has_not_learnt_from_it_stays_challenger(lake: Lakehouse) -> None:
    _label(lake, RIGHT)
    _run(lake, "--evaluation-share", "0")
    figures = _run(lake)
    assert not figures["promoted"] and "no evaluation records that neither" in figures["reason"]
    assert models.current(lake.settings) == "1"


def test_asked_not_to_it_promotes_nothing(lake: Lakehouse) -> None:
    figures = _run(lake, "--promote", "never")
    assert not figures["promoted"] and models.current(lake.settings) is None
    with pytest.raises(EntityMatchingError, match="has no model"):
        models.model_folder(lake.settings)


def test_a_champion_that_cannot_be_read_leaves_the_new_one_challenger(lake: Lakehouse) -> None:
    _label(lake, RIGHT)
    _run(lake)
    shutil.rmtree(models.home_of(lake.settings) / "1")
    shutil.rmtree(lake.settings.home / "mlflow" / "artifacts")
    figures = _run(lake, "--epochs", "2", "--seed", "3")
    assert not figures["promoted"]
    assert "could not be compared with the champion 1: The files of version 1" in figures["reason"]


@pytest.mark.parametrize(("at", "trained_before"), [("log_and_register", False), ("keep", True), ("settle", True)])
def test_killed_where_it_registers_it_can_be_run_again(
    lake: Lakehouse, monkeypatch: pytest.MonkeyPatch, at: str, trained_before: bool
) -> None:
    def killed(*_given: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train_ditto_model, at, killed)
        with pytest.raises(KeyboardInterrupt):
            _run(lake)
    assert models.current(lake.settings) is None
    figures = _run(lake)
    assert (figures["model"], figures["promoted"], figures["trained_before"]) == ("1", True, trained_before)
    assert Matcher.load(models.model_folder(lake.settings)).schema.key.source == "source_id"
    assert not list(models.home_of(lake.settings).glob(".draft-*"))
