from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.errors import ArtifactError
from entity_matching.matcher import Matcher
from entity_matching.matcher.reference import Reference
from entity_matching.schema import Schema

if TYPE_CHECKING:
    from tests.matcher.conftest import Companies


def test_a_loaded_reference_is_matched_against_as_the_saved_one(
    companies: Companies, blind: Matcher, tmp_path: Path
) -> None:
    prepared = blind.prepare(companies.reference)
    prepared.save(tmp_path / "reference")
    loaded = Reference.load(tmp_path / "reference")
    assert loaded.keys.equals(prepared.keys)
    before = blind.match_prepared(companies.source, prepared)
    assert blind.match_prepared(companies.source, loaded).equals(before)


def test_a_folder_without_a_reference_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"records\.arrow is not there"):
        Reference.load(tmp_path)


def test_distinct_rows_are_the_first_of_each_wording() -> None:
    table = pa.table({"id": list("abcd"), "name": ["Acme Inc", "ACME INC.", "Bolt", "Acme Inc"]})
    schema = Schema.from_yaml("{key: id, attributes: {name: name}}")
    assert Reference.prepare(table, schema, SearchSettings()).distinct_rows(schema).tolist() == [0, 2]
