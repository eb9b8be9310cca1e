from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from entity_matching.errors import EntityMatchingError, SchemaError
from entity_matching.jobs.ingest.record_schema import record_schema, stored_schema
from entity_matching.lakehouse.tables import SOURCE_ENTITIES

if TYPE_CHECKING:
    from tests.jobs.ingest.conftest import Desk

pytestmark = pytest.mark.spark


@pytest.fixture
def fresh(bare: Desk) -> Iterator[Desk]:
    """The lakehouse without a schema."""
    (bare.lake.settings.artifacts / "schema.yml").unlink(missing_ok=True)
    yield bare


def test_it_is_guessed_from_both_when_both_are_there(fresh: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(EntityMatchingError, match="does not know yet what its records hold"):
        record_schema(fresh.lake.settings)
    with pytest.raises(SchemaError, match="no reference to guess one from"):
        fresh.ingest(source=fresh.file("early.csv", "id,firm\n1,Acme\n"))
    # of a reference alone the guess is not kept
    companies = "".join(f"M{n},Company number {n} AG,{'DE' if n % 2 else 'France'}\n" for n in range(20))
    fresh.ingest(reference=fresh.file("master.csv", "master_no,company_name,country\n" + companies))
    assert stored_schema(fresh.lake.settings) is None
    assert fresh.reference()["M3"]["company_name"] == "Company number 3 AG"
    rows = "".join(f"{n},COMPANY NUMBER {n},{'Germany' if n % 2 else 'FR'},x\n" for n in range(20))
    fresh.ingest(source=fresh.file("crm.csv", "record_id,company_name,country,memo\n" + rows))
    schema = record_schema(fresh.lake.settings)
    assert (schema.key.source, schema.key.reference) == ("record_id", "master_no")
    assert [attribute.name for attribute in schema.attributes] == ["company_name", "country"]
    assert "Columns, as guessed" in caplog.text


def test_another_schema_makes_the_hashes_anew(fresh: Desk) -> None:
    def hashes() -> dict[str, str]:
        rows = fresh.lake.read(SOURCE_ENTITIES).collect()
        return {row["source_id"]: row["content_hash"] for row in rows if row["source_system"] == "anew"}

    narrow = fresh.file("narrow.yml", "key: id\nattributes: {name: {kind: name}}")
    wide = fresh.file("wide.yml", "key: id\nattributes: {name: {kind: name}, city: {kind: category}}")
    both = fresh.file("anew.csv", "id,name,city\n1,Acme,Bonn\n2,Bolt,\n")
    fresh.ingest(source=both, schema=narrow)
    before = hashes()
    one = fresh.file("anew.csv", "id,name,city\n3,Core,Rome\n")
    fresh.ingest(source=one, schema=wide)
    after = hashes()
    assert after["1"] != before["1"]
    assert after["2"] == before["2"]  # it has no city
    fresh.file("anew.csv", "id,name,city\n1,Acme,Bonn\n2,Bolt,\n3,Core,Rome\n")
    assert fresh.ingest(source=one)["unchanged"] == 3


def test_rows_of_a_file_without_a_key_are_numbered(fresh: Desk) -> None:
    schema = fresh.file("nokey.yml", "attributes: {name: {kind: name}}")
    one = fresh.file("keyless/one.csv", "name\nAcme\nBolt\n")
    fresh.ingest(source=one, schema=schema)
    assert {key: row["name"] for key, row in fresh.source("one").items()} == {"0": "Acme", "1": "Bolt"}
    two = fresh.file("keyless/two.csv", "name\nCore\n")
    with pytest.raises(SchemaError, match="several files are of one system"):
        fresh.ingest(source=f"{one},{two}", source_system="one")
