from __future__ import annotations

import json
from pathlib import Path

import pytest

from entity_matching.errors import SettingsError
from entity_matching.jobs import maintain
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import MATCHED_ENTITIES, PIPELINE_METRICS, PIPELINE_RUNS, TABLES


def test_by_default_every_table_is_looked_after() -> None:
    assert maintain.chosen(None) == TABLES


def test_tables_can_be_named() -> None:
    names = "gold.pipeline_metrics, gold.matched_entities,gold.pipeline_metrics"
    assert maintain.chosen(names) == (PIPELINE_METRICS, MATCHED_ENTITIES)


@pytest.mark.parametrize("names", ["gold.matches", "gold.matched_entities,matched", ","])
def test_an_unknown_table_is_refused_with_those_there_are(names: str) -> None:
    with pytest.raises(SettingsError, match=r"--tables: there is no table .*There are: bronze.reference_entities,"):
        maintain.chosen(names)


@pytest.mark.spark
def test_the_job_compacts_and_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = LakehouseSettings(home=tmp_path)
    with open_lakehouse(settings) as lake:
        lake.create()
        for number in range(3):
            lake.execute(f"INSERT INTO gold.pipeline_metrics VALUES ('r', 's', 'm', '{number}', 1.0, now())")
    maintain.main(["--home", str(tmp_path), "--tables", "gold.pipeline_metrics", "--retention-days", "7"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["retention_days"] == 7
    assert figures["tables"] == [
        {"table": "gold.pipeline_metrics", "compacted": 3, "written": 1, "removed": 0, "removed_bytes": 0}
    ]
    with open_lakehouse(settings) as lake:
        assert lake.read(PIPELINE_METRICS).count() == 3
        (run,) = lake.read(PIPELINE_RUNS).collect()
        assert (run["job"], run["status"]) == ("maintain-tables", "done")


@pytest.mark.parametrize("days", ["0", "soon"])
def test_a_wrong_number_of_days_is_one_message(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        maintain.main(["--retention-days", days])
    assert ended.value.code == 1
    assert "--retention-days" in capsys.readouterr().err
