from __future__ import annotations

from entity_matching.guess import describe_schema
from entity_matching.schema import Schema


def test_a_schema_is_told_in_lines() -> None:
    schema = Schema.from_yaml(
        """
        key: {source: sid}
        attributes:
          name: {kind: name, source_column: Firma}
          isin: {kind: identifier, type: isin}
          city: {kind: category, type: place}
        """
    )
    assert describe_schema(schema, ["sid", "Firma", "city", "note"], ["name", "isin", "city", "x", "y"]) == [
        "key: source 'sid' = reference row number (from 0)",
        "name: name, source 'Firma' = reference 'name'",
        "city: category (place)",
        "not used of the source: note",
        "only in the reference, not compared: isin",
        "not used of the reference: x, y",
    ]
