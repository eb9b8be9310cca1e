from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.errors import EntityMatchingError
from entity_matching.jobs import references
from entity_matching.jobs.references import ready_reference, reference_folder, reference_version
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.tables import REFERENCE_ENTITIES
from entity_matching.matcher.reference import Reference
from entity_matching.schema import Kind

if TYPE_CHECKING:
    from tests.jobs.conftest import Bronze, Companies, OpenLake

pytestmark = pytest.mark.spark

SEARCH = SearchSettings(limit=8, threads=1)


@pytest.fixture
def small(open_lake: OpenLake, bronze: Bronze, companies: Companies) -> Lakehouse:
    """Return a lakehouse with forty reference records."""
    lake = open_lake()
    bronze.reference(lake, companies.reference.slice(0, 40))
    return lake


def test_the_version_tells_any_change_of_the_records(small: Lakehouse, bronze: Bronze, companies: Companies) -> None:
    schema, first = companies.schema, companies.reference.slice(0, 40)
    before = reference_version(small, schema, SEARCH)
    names = first["company_name"].to_pylist()
    renamed = first.set_column(1, "company_name", pa.array([names[0] + " II", *names[1:]]))
    versions = [before]
    for table in (renamed, first.slice(1), companies.reference.slice(0, 41)):
        bronze.reference(small, table)
        versions.append(reference_version(small, schema, SEARCH))
    assert len(set(versions)) == 4
    bronze.reference(small, first.take(pa.array(range(39, -1, -1))))
    assert reference_version(small, schema, SEARCH) == before
    assert len(before) == 16


def test_the_version_tells_what_the_reference_is_made_ready_with(small: Lakehouse, companies: Companies) -> None:
    schema = companies.schema
    before = reference_version(small, schema, SEARCH)
    names_only = schema.model_copy(update={"attributes": schema.of_kind(Kind.NAME)})
    assert reference_version(small, names_only, SEARCH) != before
    assert reference_version(small, schema, replace(SEARCH, limit=9)) != before
    assert reference_version(small, schema, replace(SEARCH, threads=2, batch_rows=5)) == before


def test_the_version_is_computed_once_per_state_of_the_table(
    small: Lakehouse, bronze: Bronze, companies: Companies, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = reference_version(small, companies.schema, SEARCH)
    with monkeypatch.context() as patched:
        patched.setattr(references, "_hashes", lambda lake: pytest.fail("computed again"))
        assert reference_version(small, companies.schema, SEARCH) == before
    other = companies.reference.slice(40, 40)
    small.spark.sql(f"DROP TABLE {small.name(REFERENCE_ENTITIES)}")
    shutil.rmtree(small.location(REFERENCE_ENTITIES))
    small.create()  # made anew, its commits are numbered as those of the old one
    bronze.reference(small, other)
    assert reference_version(small, companies.schema, SEARCH) != before


def test_a_version_is_made_once_with_its_records_in_order(
    small: Lakehouse, companies: Companies, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "entity_matching.jobs.references")
    first = ready_reference(small, companies.schema, SEARCH)
    again = ready_reference(small, companies.schema, SEARCH)
    assert first == again
    assert caplog.text.count("is made ready") == 1
    keys = Reference.load(first.folder).keys.to_pylist()
    assert keys == sorted(companies.reference["company_id"].to_pylist()[:40])
    assert set(first.columns(companies.schema)) == {
        "company_name",
        "isin",
        "cusip",
        "ticker",
        "country",
        "city",
        "website",
    }


def test_a_damaged_reference_is_made_again(
    small: Lakehouse, companies: Companies, caplog: pytest.LogCaptureFixture
) -> None:
    made = ready_reference(small, companies.schema, SEARCH)
    (made.folder / "index" / "lexical" / "data.npy").unlink()
    (made.folder / "index" / "index.json").touch()
    assert ready_reference(small, companies.schema, SEARCH) == made
    assert "is made again" in caplog.text
    assert Reference.load(made.folder).table.num_rows == 40


def test_versions_that_were_not_used_for_long_are_removed(
    small: Lakehouse, companies: Companies, caplog: pytest.LogCaptureFixture
) -> None:
    made = [ready_reference(small, companies.schema, replace(SEARCH, limit=limit)) for limit in (1, 2, 3)]
    for age, reference in enumerate(made):
        os.utime(reference.folder, (1_000_000 + age, 1_000_000 + age))
    abandoned = made[0].folder.parent / ".half"
    abandoned.mkdir()
    os.utime(abandoned, (1_000_000, 1_000_000))
    (made[0].folder.parent / "note.json").write_text("{}")
    ready_reference(small, companies.schema, replace(SEARCH, limit=1))  # used again
    caplog.set_level(logging.INFO, "entity_matching.jobs.references")
    last = ready_reference(small, companies.schema, SEARCH, kept=2)
    left = {path.name for path in last.folder.parent.iterdir()}
    assert left == {last.version, made[0].version, "note.json", "fingerprints.json"}
    assert f"{made[1].version} is removed; 2 are kept" in caplog.text


def test_a_reference_that_cannot_be_made_leaves_nothing(
    small: Lakehouse, companies: Companies, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("entity_matching.search.CandidateIndex.save", fail)
    with pytest.raises(OSError, match="No space"):
        ready_reference(small, companies.schema, SEARCH)
    folder = reference_folder(small.settings, reference_version(small, companies.schema, SEARCH))
    assert not any(path.is_dir() for path in folder.parent.iterdir())


def test_without_reference_records_what_to_do_is_said(open_lake: OpenLake, companies: Companies) -> None:
    with pytest.raises(EntityMatchingError, match="no reference records. Load them first"):
        ready_reference(open_lake(), companies.schema, SEARCH)


def test_the_folder_is_within_the_artifacts(small: Lakehouse) -> None:
    assert reference_folder(small.settings, "abc") == Path(small.settings.artifacts) / "references" / "abc"
