from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from entity_matching.errors import InputError, SchemaError
from entity_matching.lakehouse.tables import REFERENCE_ENTITIES

if TYPE_CHECKING:
    from tests.jobs.ingest.conftest import Desk

pytestmark = pytest.mark.spark
HEADER = "company_id,name,country,isin,employees,founded\n"


@pytest.fixture(autouse=True)
def _ten(desk: Desk) -> None:
    desk.ingest(reference=master(desk, range(10)), allow_shrink=True)


def master(desk: Desk, numbers: range, more: str = "") -> str:
    return desk.file("master.csv", HEADER + "".join(f"C{n},Company {n},DE,,,\n" for n in numbers) + more)


def test_a_refresh_takes_the_place_of_the_master(desk: Desk) -> None:
    figures = desk.ingest(reference=master(desk, range(3, 9), "C2,Other,FR,,,\nC10,New,DE,,,\n"))["reference"]
    assert {name: figures[name] for name in ("rows", "new", "changed", "unchanged", "removed")} == {
        "rows": 8, "new": 1, "changed": 1, "unchanged": 6, "removed": 3,
    }  # fmt: skip
    assert sorted(desk.reference()) == ["C10", *(f"C{n}" for n in range(2, 9))]
    assert desk.reference()["C2"]["name"] == "Other"


def test_a_master_that_shrinks_by_nine_tenths_overnight_stops_and_asks(desk: Desk) -> None:
    commits = desk.commits(REFERENCE_ENTITIES)
    source = desk.file("crm.csv", "id,name,country\n1,Acme,DE\n")
    with pytest.raises(InputError, match=r"The reference lacks 9 of the 10 .*\(90%\).*--allow-shrink true"):
        desk.ingest(reference=master(desk, range(1)), source=source)
    assert desk.commits(REFERENCE_ENTITIES) == commits
    assert desk.source("crm") == {}
    assert desk.ingest(reference=master(desk, range(1)), allow_shrink=True)["reference"]["removed"] == 9


def test_entities_that_are_contradicted_stay_as_they_are(desk: Desk) -> None:
    figures = desk.ingest(reference=master(desk, range(9), "C9,One,DE,,,\nC9,Two,DE,,,\n"))["reference"]
    assert (figures["rejected"], figures["removed"]) == (2, 0)
    assert desk.reference()["C9"]["name"] == "Company 9"
    found = desk.quarantined(str(desk.folder / "master.csv"))
    assert {(row["side"], row["source_system"]) for row in found} == {("reference", None)}


def test_a_master_is_taken_whole_or_not_at_all(desk: Desk) -> None:
    broken = desk.file("more.csv", "company_id,name\n1,2,3\n")
    with pytest.raises(InputError, match="more.csv: line 2"):
        desk.ingest(reference=f"{master(desk, range(10))},{broken}")


def test_it_needs_its_key(desk: Desk) -> None:
    with pytest.raises(SchemaError, match="names the column 'company_id', which the reference table does not have"):
        desk.ingest(reference=desk.file("wrong.csv", "id,name\n1,Acme\n"))
