from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from entity_matching.config import SearchSettings
from entity_matching.schema import Schema
from entity_matching.search.words import WordSearcher


def test_a_rare_word_counts_more_than_common_ones(companies: Callable[..., pa.Table], schema: Schema) -> None:
    others = [f"global capital holdings {letter * 4} ag" for letter in "abcdefgh"]
    searcher = WordSearcher.build(companies("zyxel networks ag", *others), schema, SearchSettings())
    hits = searcher.search(searcher.encode(companies("zyxel global capital ag")), 1)
    assert hits.reference.tolist() == [0]


def test_the_order_of_the_words_hardly_matters(companies: Callable[..., pa.Table], schema: Schema) -> None:
    searcher = WordSearcher.build(companies("bank of tokyo ag", "tokyo gas ag"), schema, SearchSettings())
    assert searcher.search(searcher.encode(companies("tokyo bank of ag")), 1).reference.tolist() == [0]


def test_a_record_of_nothing_but_common_words_is_found_by_its_copy(
    companies: Callable[..., pa.Table], schema: Schema
) -> None:
    names = [f"{letter * 5} bank trust ag" for letter in "abcdefgh"] + [
        f"{letter * 5} trust bank ag" for letter in "abcd"
    ]
    table = companies("bank ag", "trust ag", "bank trust ag", *names)
    searcher = WordSearcher.build(table, schema, SearchSettings(max_postings=2))
    assert searcher.search(searcher.encode(table), 1).reference.tolist() == list(range(table.num_rows))
