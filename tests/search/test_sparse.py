from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.errors import ArtifactError
from entity_matching.schema import Schema
from entity_matching.search import sparse
from entity_matching.search.lexical import LexicalSearcher

Tables = Callable[..., pa.Table]


@pytest.mark.parametrize("block", [7, 10_000])
def test_equal_scores_go_by_reference_row(
    companies: Tables, schema: Schema, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(sparse, "_BLOCK", block)
    letters = "bcdefghijklmnopqrstuvwxyz"
    names = [f"alpha {first}{second}qq ag" for first in letters[:4] for second in letters]
    searcher = LexicalSearcher.build(companies(*names), schema, SearchSettings())
    queries = searcher.encode(companies("alpha ag"))
    every = searcher.search(queries, 100)
    ties = every.score == every.score[0]
    assert ties.sum() > 1
    assert every.reference[ties].tolist() == sorted(every.reference[ties].tolist())


def test_blocks_find_what_one_block_finds(
    companies: Tables, schema: Schema, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    names = ["".join(rng.choice(list("abcde "), 12)).strip() + " x" for _ in range(300)]
    table = companies(*names)
    whole = LexicalSearcher.build(table, schema, SearchSettings())
    monkeypatch.setattr(sparse, "_BLOCK", 64)
    blocks = LexicalSearcher.build(table, schema, SearchSettings())
    first, second = (searcher.search(searcher.encode(table), 10) for searcher in (whole, blocks))
    assert np.array_equal(first.reference, second.reference)
    assert first.score == pytest.approx(second.score, abs=1e-6)
    blocks.save(tmp_path)
    monkeypatch.setattr(sparse, "_BLOCK", 50)
    third = LexicalSearcher.load(tmp_path, SearchSettings())
    found = third.search(third.encode(table), 10)
    assert np.array_equal(second.reference, found.reference)
    assert np.array_equal(second.score, found.score)
    np.save(tmp_path / "blocks.npy", np.load(tmp_path / "blocks.npy")[:-1])
    with pytest.raises(ArtifactError, match="its blocks hold 256 of"):
        LexicalSearcher.load(tmp_path, SearchSettings())


def test_what_is_left_out_is_logged_and_still_counts_in_the_similarity(
    companies: Tables, schema: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    table = companies("alpha bank ag", "gamma bank ag", "delta bank ag", "omega steel ag")
    with caplog.at_level(logging.INFO):
        searcher = LexicalSearcher.build(table, schema, SearchSettings(max_postings=2))
    assert "max_postings" in caplog.text
    assert "2 reference records" in caplog.text
    queries = searcher.encode(companies("omega bank ag"))
    hits = searcher.search(queries, 4)
    assert hits.reference[0] == 3  # found by "omega"; "bank" is in three records and is not searched
    exact = searcher.similarity(queries, np.zeros(4, np.int32), np.arange(4, dtype=np.int32))
    assert exact[0] > hits.score[hits.reference == 0].max(initial=0)


def test_nothing_is_logged_when_nothing_is_left_out(
    reference: pa.Table, schema: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        LexicalSearcher.build(reference, schema, SearchSettings())
    assert caplog.text == ""


def test_an_unknown_gram_lengthens_the_query(companies: Tables, schema: Schema) -> None:
    searcher = LexicalSearcher.build(companies("alpha ag", "beta ag"), schema, SearchSettings())
    pure, mixed = (searcher.search(searcher.encode(companies(name)), 1) for name in ("alpha ag", "alpha zzzz ag"))
    assert mixed.reference[0] == pure.reference[0] == 0
    assert mixed.score[0] < pure.score[0]
