"""The normalised table as the rest of the project reads it."""

from __future__ import annotations

import pyarrow as pa

from entity_matching.normalize import normalize_table
from entity_matching.records import KEY, part
from entity_matching.schema import Schema, Side


def test_a_name_column_gives_all_its_parts() -> None:
    schema = Schema.model_validate({"attributes": {"name": "name"}})
    result = normalize_table(pa.table({"name": ["YEXT INC.  DL 0,001", None]}), schema, Side.SOURCE)
    assert result[KEY].to_pylist() == ["0", "1"]
    assert result[part("name", "core")].to_pylist() == ["yext", ""]
    assert result[part("name", "form")].to_pylist() == ["inc", ""]
