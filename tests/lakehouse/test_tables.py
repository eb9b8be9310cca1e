from __future__ import annotations

import pytest

from entity_matching.lakehouse.layout import Table
from entity_matching.lakehouse.tables import SCHEMAS, TABLES, VERSION, VIEWS


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_a_key_is_made_of_columns_that_always_hold_a_value(table: Table) -> None:
    required = {column.name for column in table.columns if not column.nullable}
    assert table.key
    assert set(table.key) <= required


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_columns_that_came_later_can_be_empty_in_rows_of_before(table: Table) -> None:
    assert all(column.nullable or column.since == 1 for column in table.columns)
    assert all(1 <= column.since <= VERSION for column in table.columns)


@pytest.mark.parametrize("kind", (*TABLES, *VIEWS), ids=lambda kind: kind.full_name)
def test_everything_has_a_comment(kind: Table) -> None:
    assert kind.schema in SCHEMAS
    assert kind.comment
    assert kind.columns
    assert all(column.comment for column in kind.columns)
