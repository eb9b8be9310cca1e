from __future__ import annotations

import json
from pathlib import Path

import pytest

from entity_matching.errors import EntityMatchingError, InputError
from entity_matching.jobs.ingest_source_entities import JOB as INGEST
from entity_matching.jobs.setup_unity_catalog import JOB, main
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import LABELED_PAIRS, PIPELINE_RUNS, REFERENCE_ENTITIES, SOURCE_ENTITIES, TABLES
from entity_matching.schema import Schema

pytestmark = pytest.mark.spark
EXAMPLE = Path(__file__).parents[2] / "examples" / "companies"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a space in its name, in which the example was set up."""
    home = tmp_path_factory.mktemp("my home")
    JOB.run(["--home", str(home), "--example", str(EXAMPLE)])
    return home


def test_the_example_is_loaded_but_for_its_source(home: Path) -> None:
    with open_lakehouse(LakehouseSettings(home=home)) as lake:
        assert lake.read(REFERENCE_ENTITIES).count() == 3000
        labels = lake.read(LABELED_PAIRS).collect()
        assert len(labels) == 300
        assert {row["source_system"] for row in labels} == {"source"}
        assert sum(row["entity_id"] is None for row in labels) == 46
        assert lake.read(SOURCE_ENTITIES).count() == 0
        assert [(row["job"], row["status"]) for row in lake.read(PIPELINE_RUNS).collect()] == [
            ("setup-unity-catalog", "done")
        ]
        schema = lake.settings.artifacts / "schema.yml"
    assert Schema.load(schema) == Schema.load(EXAMPLE / "schema.yml")


def test_done_again_it_makes_nothing_new(
    home: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    main(["--home", str(home), "--example", str(EXAMPLE), "--grant-to", "stewards"])
    figures = json.loads(capsys.readouterr().out)
    assert (figures["made"], figures["tables"], figures["schema_changed"]) == ([], len(TABLES), False)
    assert (figures["reference"]["unchanged"], figures["reference"]["new"]) == (3000, 0)
    assert figures["grants"] == "None: the target 'local' has no rights to grant; Databricks has."
    assert caplog.text.count("no rights to grant") == 1
    assert str(EXAMPLE / "source.csv") in figures["next"]


def test_the_source_of_the_example_is_ingested(home: Path) -> None:
    arguments = ["--home", str(home), "--source", str(EXAMPLE / "source.csv")]
    figures = INGEST.run(arguments)
    assert (figures["rows"], figures["new"], figures["rejected"]) == (600, 600, 0)
    assert figures["quality"]["(key)"]["unique_share"] == 1
    again = INGEST.run(arguments)
    assert (again["unchanged"], again["new"], again["notes"]) == (600, 0, [])


def test_a_folder_that_is_no_example_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no reference.csv in it"):
        JOB.run(["--home", str(tmp_path / "home"), "--example", str(tmp_path)])


def test_nothing_is_ingested_before_the_set_up(tmp_path: Path) -> None:
    with pytest.raises(EntityMatchingError, match="run setup-unity-catalog"):
        INGEST.run(["--home", str(tmp_path), "--source", str(EXAMPLE / "source.csv")])
