"""A set-up or a training that is killed is finished by the next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import models, pipeline, setup_unity_catalog, train_ditto_model
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import TABLES, TRAINING_PAIRS

if TYPE_CHECKING:
    from tests.jobs.conftest import Nights
    from tests.jobs.crash.conftest import Driver

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked and killed by signals"),
]

LABELS = Path(__file__).parents[3] / "examples" / "companies" / "labels.csv"


def test_a_set_up_killed_between_and_within_its_writes_is_finished_by_the_next(driver: Driver, tmp_path: Path) -> None:
    home = tmp_path / "home"
    arguments = ["--home", str(home)]
    places: list[tuple[str, dict[str, Any]]] = [
        ("CREATE TABLE bronze.source_entities", {}),
        ("ALTER TABLE bronze.quarantine", {}),
        ("CREATE TABLE silver.exact_matches", {"what": "break_off", "bytes": 500}),
        ("ALTER TABLE gold.matched_entities", {"what": "break_off", "bytes": 200}),
    ]
    for write, how in places:
        driver.kill("setup-unity-catalog", arguments, f"setup-unity-catalog {write}", **how)
        with pytest.raises(EntityMatchingError, match="Set it up, which keeps what is there"):
            pipeline.JOB.run(arguments)
    setup_unity_catalog.JOB.run(arguments)
    with (
        open_lakehouse(LakehouseSettings(home=home)) as mended,
        open_lakehouse(LakehouseSettings(home=tmp_path / "twin")) as twin,
    ):
        mended.check()
        twin.create()
        assert {table: mended.properties(table) for table in TABLES} == {
            table: twin.properties(table) for table in TABLES
        }


def test_a_training_killed_between_its_writes_is_repeated_by_the_next(
    driver: Driver, nights: Nights, tmp_path: Path
) -> None:
    home = nights.copy(tmp_path / "home")
    settings = LakehouseSettings(home=home)
    setup_unity_catalog.JOB.run(["--home", str(home), "--labels", str(LABELS), "--source-system", "crm"])
    (tmp_path / "small.yml").write_text("scorer: {trees: 5, folds: 2, synthetic_records: 20}", encoding="utf-8")
    arguments = ["--home", str(home), "--ditto", "false", "--settings", str(tmp_path / "small.yml")]
    places = {"INSERT INTO silver.training_pairs": "plain", "rename 1": "plain", "replace current": "1"}
    for write, in_force in places.items():
        driver.kill("train-ditto-model", arguments, f"train-ditto-model {write}")
        assert models.model_folder(settings).name == in_force
    trained = train_ditto_model.JOB.run(arguments)
    assert trained["model"] == "1"  # none of the tries is a version of its own
    assert sorted(models.versions(settings)) == ["1", "plain"]
    assert models.model_folder(settings).name == models.current(settings)
    with open_lakehouse(settings) as lake:
        pairs = lake.read(TRAINING_PAIRS)
        assert pairs.count() == pairs.select(*TRAINING_PAIRS.key).distinct().count() > 0
    assert pipeline.JOB.run(["--home", str(home), "--model", "1"])["exact-match"]["model_version"] == "1"
