from __future__ import annotations

from pathlib import Path

import pytest

from entity_matching.errors import EntityMatchingError, SettingsError
from entity_matching.jobs.ingest_source_entities import JOB, main
from entity_matching.jobs.setup_unity_catalog import JOB as SETUP
from entity_matching.lakehouse import LakehouseSettings, open_lakehouse
from entity_matching.lakehouse.tables import PIPELINE_RUNS

pytestmark = pytest.mark.spark


def test_a_run_that_fails_says_why_and_is_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(tmp_path / "home")
    SETUP.run(["--home", home])
    with pytest.raises(SettingsError, match="nothing to ingest.*--source"):
        JOB.run(["--home", home])
    assert set(JOB.run(["--home", home, "--source", "", "--optional"])) == {"run_id"}
    (tmp_path / "crm.csv").write_text("id;name\n1;Acme\n2;a;b\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["--home", home, "--source", str(tmp_path / "crm.csv")])
    assert ended.value.code == 1
    assert "crm.csv: line 3: expected 2 fields, found 3" in capsys.readouterr().err
    with open_lakehouse(LakehouseSettings(home=Path(home))) as lake:
        rows = [row for row in lake.read(PIPELINE_RUNS).collect() if row["job"] == JOB.name]
    assert sorted(row["status"] for row in rows) == ["done", "failed", "failed"]
    assert any("line 3" in (row["message"] or "") for row in rows)


@pytest.mark.parametrize(("option", "value"), [("--feed", "all"), ("--max-shrink", "2"), ("--longest", "0")])
def test_values_out_of_range_are_refused(option: str, value: str) -> None:
    with pytest.raises(EntityMatchingError, match=option):
        JOB.run(["--source", "x.csv", option, value])
