from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.errors import ArtifactError, SettingsError
from entity_matching.schema import Schema
from entity_matching.search import CandidateIndex, Candidates, Hits, Searcher
from entity_matching.search.candidates import Rows, Scores
from entity_matching.search.dense import DenseSearcher, Encoder
from entity_matching.search.union import fuse

Tables = Callable[..., pa.Table]


def assert_same(first: Candidates, second: Candidates) -> None:
    assert np.array_equal(first.source, second.source)
    assert np.array_equal(first.reference, second.reference)
    for name, scores in first.scores.items():
        assert np.array_equal(scores, second.scores[name])


def test_a_cut_name_finds_the_full_one(reference: pa.Table, schema: Schema, companies: Tables) -> None:
    found = CandidateIndex.build(reference, schema).search(companies("ubisoft entmt sa"), limit=2)
    assert found.reference[0] == 2


def test_a_copy_has_score_one_and_comes_first(reference: pa.Table, schema: Schema) -> None:
    best = CandidateIndex.build(reference, schema).search(reference).best(1)
    assert best.source.tolist() == [0, 1, 2, 3, 4, 5, 7]  # the empty record finds nothing
    assert best.reference.tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert best.fused.tolist() == [1.0] * 7


def test_the_country_orders_namesakes(reference: pa.Table, schema: Schema, companies: Tables) -> None:
    index = CandidateIndex.build(reference, schema)
    assert index.search(companies("siemens ag", countries=["US"])).reference[0] == 7
    assert index.search(companies("siemens ag", countries=["DE"])).reference[0] == 0


def test_an_identifier_finds_what_the_name_does_not(reference: pa.Table, schema: Schema, companies: Tables) -> None:
    source = companies("quite another name", isins=["FR0000054470"])
    found = CandidateIndex.build(reference, schema).search(source)
    assert found.reference[0] == 2
    assert found.fused[0] >= 0.9


def test_every_pair_has_every_score_in_order_and_once(reference: pa.Table, schema: Schema) -> None:
    index = CandidateIndex.build(reference, schema)
    found = index.search(reference, limit=4)
    assert list(found.scores) == index.names == ["lexical", "words", "identifiers", "search"]
    for scores in found.scores.values():
        assert scores.dtype == np.float32
        assert scores.shape == found.source.shape
        assert ((scores >= 0) & (scores <= 1)).all()
    rows = list(zip(found.source.tolist(), (-found.fused).tolist(), found.reference.tolist(), strict=True))
    assert rows == sorted(rows)
    assert len({(source, row) for source, _, row in rows}) == len(rows)
    assert np.bincount(found.source).max() == 4


def test_batches_threads_and_memory_change_nothing(
    reference: pa.Table, schema: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    source = pa.concat_tables([reference] * 50)
    whole = CandidateIndex.build(reference, schema, SearchSettings(threads=1)).search(source)
    assert_same(whole, CandidateIndex.build(reference, schema, SearchSettings(batch_rows=7)).search(source))
    with caplog.at_level(logging.INFO):
        tight = CandidateIndex.build(reference, schema, SearchSettings(memory_mb=1)).search(source)
    assert_same(whole, tight)
    assert "memory_mb" in caplog.text


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_on_either_side(reference: pa.Table, schema: Schema, rows: int) -> None:
    few = CandidateIndex.build(reference.slice(0, rows), schema).search(reference)
    assert set(few.reference.tolist()) == set(range(rows))
    assert set(CandidateIndex.build(reference, schema).search(reference.slice(0, rows)).source) == set(range(rows))


def test_a_schema_without_names_still_finds_identifiers() -> None:
    schema = Schema.model_validate({"attributes": {"lei": {"kind": "identifier", "type": "lei"}}})
    reference = pa.table({"lei.value": ["A", "B"]})
    found = CandidateIndex.build(reference, schema).search(pa.table({"lei.value": ["B", ""]}))
    assert (found.source.tolist(), found.reference.tolist()) == ([0], [1])


def test_a_schema_without_names_is_searched_by_its_values_as_given() -> None:
    schema = Schema.model_validate({"attributes": {"colour": "category", "weight": "number"}})
    reference = pa.table({"colour.raw": ["red", "dark green"], "weight.raw": ["12", "17.5"]})
    source = pa.table({"colour.raw": ["green"], "weight.raw": ["17.5"]})
    assert CandidateIndex.build(reference, schema).search(source).reference[0] == 1


def test_a_limit_of_zero_is_refused(reference: pa.Table, schema: Schema) -> None:
    with pytest.raises(SettingsError, match="limit is 0"):
        CandidateIndex.build(reference, schema).search(reference, limit=0)


def test_a_saved_index_finds_the_same(reference: pa.Table, schema: Schema, tmp_path: Path) -> None:
    index = CandidateIndex.build(reference, schema, SearchSettings(limit=3))
    index.save(tmp_path / "index")
    again = CandidateIndex.load(tmp_path / "index")
    assert again.settings == index.settings
    assert_same(index.search(reference), again.search(reference))


def test_a_damaged_index_is_refused(reference: pa.Table, schema: Schema, tmp_path: Path) -> None:
    CandidateIndex.build(reference, schema).save(tmp_path / "index")
    path = tmp_path / "index" / "index.json"
    path.write_text(path.read_text().replace('"limit"', '"bound"'))
    with pytest.raises(ArtifactError, match="does not hold a whole index"):
        CandidateIndex.load(tmp_path / "index")
    with pytest.raises(ArtifactError, match="is not there"):
        CandidateIndex.load(tmp_path / "elsewhere")


def test_a_dense_searcher_joins_the_union_and_is_saved(
    reference: pa.Table, schema: Schema, tmp_path: Path, letter_counts: Encoder
) -> None:
    dense = DenseSearcher.build(reference, schema, SearchSettings(), letter_counts)
    index = CandidateIndex.build(reference, schema, extra=[dense])
    found = index.search(reference)
    assert found.scores["dense"].max() == 1
    assert found.best(1).fused.tolist() == [1.0] * 7
    index.save(tmp_path / "index")
    assert_same(found, CandidateIndex.load(tmp_path / "index", encode=letter_counts).search(reference))


def test_a_searcher_of_ones_own_joins_the_union_but_is_not_saved(
    reference: pa.Table, schema: Schema, tmp_path: Path
) -> None:
    class First:
        name = "first"

        def encode(self, table: pa.Table) -> int:
            return int(table.num_rows)

        def search(self, queries: int, limit: int) -> Hits:
            rows = np.arange(queries, dtype=np.int32)
            return Hits(rows, np.zeros(queries, np.int32), np.ones(queries, np.float32))

        def similarity(self, queries: int, source: Rows, reference: Rows) -> Scores:
            score: Scores = (reference == 0).astype(np.float32)
            return score

        def save(self, folder: Path) -> None: ...

        @classmethod
        def load(cls, folder: Path, settings: SearchSettings) -> First:
            return cls()

    own: Searcher = First()
    index = CandidateIndex.build(reference, schema, extra=[own])
    found = index.search(reference)
    assert 6 in found.source  # the empty record has a candidate now
    with pytest.raises(ArtifactError, match="'first' cannot be saved"):
        index.save(tmp_path / "index")
    assert not list(tmp_path.iterdir())


def test_fused_is_one_only_if_all_agree() -> None:
    one, half = np.ones(2, np.float32), np.array([1, 0.5], np.float32)
    fused = fuse({"lexical": one, "words": half, "identifiers": np.zeros(2, np.float32)}, one)
    assert fused[0] == 1
    assert fused[1] < 1
    assert fuse({"lexical": half, "words": half}, None).tolist() == [1, 0.5]
