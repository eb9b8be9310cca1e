from __future__ import annotations

from typing import Any

import pyarrow as pa

from entity_matching.config import SearchSettings
from entity_matching.schema import Schema
from entity_matching.search.identifiers import IdentifierSearcher


def schema_with(**attributes: Any) -> Schema:
    return Schema.model_validate({"attributes": attributes})


def found(
    schema: Schema, reference: dict[str, list[str]], source: dict[str, list[str]]
) -> list[tuple[int, int, float]]:
    searcher = IdentifierSearcher.build(pa.table(reference), schema, SearchSettings())
    hits = searcher.search(searcher.encode(pa.table(source)), 10)
    scores = [round(score, 2) for score in hits.score.tolist()]
    return list(zip(hits.source.tolist(), hits.reference.tolist(), scores, strict=True))


def test_a_ticker_counts_only_with_its_venue() -> None:
    schema = schema_with(
        ticker={"kind": "identifier", "type": "ticker", "exchange": "venue"}, venue={"kind": "category"}
    )
    reference = {"ticker.value": ["T", "T", "T"], "venue.value": ["NYSE", "XETRA", ""]}
    source = {"ticker.value": ["T", "T"], "venue.value": ["XETRA", ""]}
    assert found(schema, reference, source) == [(0, 1, 0.8)]


def test_a_ticker_without_a_venue_counts_with_the_country() -> None:
    schema = schema_with(ticker={"kind": "identifier", "type": "ticker"}, land={"kind": "category", "type": "country"})
    reference = {"ticker.value": ["T", "T"], "land.value": ["US", "DE"]}
    assert found(schema, reference, {"ticker.value": ["T"], "land.value": ["DE"]}) == [(0, 1, 0.8)]


def test_a_ticker_alone_proves_nothing() -> None:
    schema = schema_with(ticker={"kind": "identifier", "type": "ticker"})
    assert found(schema, {"ticker.value": ["T"]}, {"ticker.value": ["T"]}) == []


def test_the_strongest_shared_identifier_tells() -> None:
    schema = schema_with(lei={"kind": "identifier", "type": "lei"}, web={"kind": "identifier", "type": "website"})
    reference = {"lei.value": ["L1", "", "L2"], "web.value": ["a.com", "a.com", "b.com"]}
    source = {"lei.value": ["L1", ""], "web.value": ["a.com", "b.com"]}
    assert found(schema, reference, source) == [(0, 0, 1.0), (0, 1, 0.8), (1, 2, 0.8)]


def test_one_identifier_is_not_mistaken_for_another() -> None:
    schema = schema_with(isin={"kind": "identifier", "type": "isin"}, cusip={"kind": "identifier", "type": "cusip"})
    assert found(schema, {"isin.value": ["X"], "cusip.value": [""]}, {"isin.value": [""], "cusip.value": ["X"]}) == []
