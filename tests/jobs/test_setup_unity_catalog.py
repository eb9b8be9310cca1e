from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from entity_matching.errors import EntityMatchingError, InputError
from entity_matching.jobs.ingest_source_entities import JOB as INGEST
from entity_matching.jobs.setup_unity_catalog import JOB, create_volume, grant, main
from entity_matching.lakehouse import Lakehouse, LakehouseSettings, open_lakehouse
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


class Databricks:
    """Stands in for its session; keeps what it is told."""

    def __init__(self, refused: str = "\0") -> None:
        self.statements: list[str] = []
        self.refused = refused

    def sql(self, statement: str) -> None:
        if self.refused in statement:
            raise RuntimeError("PRINCIPAL_DOES_NOT_EXIST")
        self.statements.append(statement)


def on_databricks(spark: Databricks) -> Lakehouse:
    return Lakehouse.open(cast(Any, spark), LakehouseSettings(catalog="a-b", target="databricks"), Path("unused"))


def test_on_databricks_there_are_a_volume_and_rights() -> None:
    spark = Databricks()
    lake = on_databricks(spark)
    assert create_volume(lake) == Path("/Volumes/a-b/models/artifacts")
    assert grant(lake, "data stewards, ann@firm.com") == ["data stewards", "ann@firm.com"]
    assert grant(lake, None) == []
    assert spark.statements[0] == "CREATE VOLUME IF NOT EXISTS `a-b`.`models`.`artifacts`"
    assert spark.statements[1].endswith("ON CATALOG `a-b` TO `data stewards`")
    assert spark.statements[2] == "GRANT MODIFY ON TABLE `a-b`.`gold`.`review_decisions` TO `data stewards`"
    assert len(spark.statements) == 5


def test_a_principal_that_is_not_there_is_named() -> None:
    with pytest.raises(EntityMatchingError, match="'nobody': PRINCIPAL_DOES_NOT_EXIST"):
        grant(on_databricks(Databricks(refused="nobody")), "ann,nobody")
