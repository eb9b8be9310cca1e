"""The page that describes the tables is what the code makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from entity_matching.errors import InputError
from entity_matching.lakehouse import Lakehouse
from entity_matching.lakehouse.document import USES, main, updated
from entity_matching.lakehouse.layout import View
from entity_matching.lakehouse.tables import TABLES, VIEWS

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == updated(page), f"bring it up to date: python -m entity_matching.lakehouse.document {PAGE}"


def test_every_table_view_and_column_is_there() -> None:
    sections = dict(part.split("\n", 1) for part in PAGE.read_text(encoding="utf-8").split("\n### ")[1:])
    for kind in (*TABLES, *VIEWS):
        section = sections[f"`{kind.full_name}`{' (view)' if isinstance(kind, View) else ''}"]
        missing = [column.name for column in kind.columns if f"\n| `{column.name}` | `{column.type}` |" not in section]
        assert not missing, kind.full_name


def test_of_every_table_it_is_known_what_uses_it() -> None:
    assert set(USES) == {kind.full_name for kind in (*TABLES, *VIEWS)}


@pytest.mark.spark
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.full_name)
def test_the_columns_of_a_view_are_those_it_gives(lake: Lakehouse, view: View) -> None:
    given = {field.name: field.dataType.simpleString() for field in lake.read(view).schema.fields}
    told = {column.name: column.type.lower().replace(": ", ":").replace(", ", ",") for column in view.columns}
    assert told == given


def test_a_page_is_written_between_its_marks_only(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- tables: begin -->\nas it was\n<!-- tables: end -->\nafter\n", encoding="utf-8")
    main([str(path)])
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert "as it was" not in text and "### `gold.matched_entities`" in text
    with pytest.raises(InputError, match="tables: begin"):
        updated("no marks")
