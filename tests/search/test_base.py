"""What every searcher keeps to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.errors import ArtifactError
from entity_matching.schema import Schema
from entity_matching.search import Hits, Searcher

Kind = tuple[Callable[..., Searcher], Callable[..., Searcher]]
Tables = Callable[..., pa.Table]


def assert_same(first: Hits, second: Hits) -> None:
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)


def test_a_copy_is_found_first_with_score_one(kind: Kind, reference: pa.Table) -> None:
    searcher = kind[0](reference)
    hits = searcher.search(searcher.encode(reference), 1)
    with_isin = [0, 2, 4, 5, 7]
    expected = with_isin if searcher.name == "identifiers" else [0, 1, 2, 3, 4, 5, 7]
    assert hits.source.tolist() == expected
    assert hits.reference.tolist() == [0 if row == 7 else row for row in expected]  # 7 is a copy of 0
    assert hits.score == pytest.approx(1, abs=1e-5)


def test_hits_are_in_order_and_within_the_limit(kind: Kind, reference: pa.Table) -> None:
    searcher = kind[0](reference)
    hits = searcher.search(searcher.encode(reference), 3)
    rows = list(zip(hits.source.tolist(), (-hits.score).tolist(), hits.reference.tolist(), strict=True))
    assert rows == sorted(rows)
    assert np.bincount(hits.source).max() <= 3
    assert ((hits.score > 0) & (hits.score <= 1)).all()
    assert [str(array.dtype) for array in hits] == ["int32", "int32", "float32"]


def test_similarity_is_the_score_of_the_search(kind: Kind, reference: pa.Table) -> None:
    searcher = kind[0](reference)
    queries = searcher.encode(reference)
    hits = searcher.search(queries, 8)
    assert searcher.similarity(queries, hits.source, hits.reference) == pytest.approx(hits.score, abs=1e-6)


def test_similarity_of_what_was_not_found(kind: Kind, reference: pa.Table) -> None:
    searcher = kind[0](reference)
    queries = searcher.encode(reference)
    source = np.repeat(np.arange(8, dtype=np.int32), 8)
    row = np.tile(np.arange(8, dtype=np.int32), 8)
    square = searcher.similarity(queries, source, row).reshape(8, 8)
    assert square == pytest.approx(square.T, abs=1e-6)
    assert ((square >= 0) & (square <= 1)).all()
    assert not square[6].any()  # the empty record is like nothing


def test_batches_and_threads_change_nothing(kind: Kind, reference: pa.Table) -> None:
    one = kind[0](reference, settings=SearchSettings(threads=1))
    two = kind[0](reference, settings=SearchSettings(threads=2))
    whole = one.search(one.encode(reference), 5)
    assert_same(whole, two.search(two.encode(reference), 5))
    for row in range(reference.num_rows):
        alone = one.search(one.encode(reference.slice(row, 1)), 5)
        part = whole.source == row
        assert alone.reference.tolist() == whole.reference[part].tolist()
        assert alone.score == pytest.approx(whole.score[part], abs=1e-6)


def test_a_saved_searcher_finds_the_same(kind: Kind, reference: pa.Table, tmp_path: Path) -> None:
    build, load = kind
    searcher = build(reference)
    searcher.save(tmp_path)
    again = load(tmp_path)
    queries = again.encode(reference)
    assert_same(searcher.search(searcher.encode(reference), 5), again.search(queries, 5))
    assert not list(tmp_path.rglob("*.pkl"))


def test_a_damaged_or_missing_file_is_named(kind: Kind, reference: pa.Table, tmp_path: Path) -> None:
    build, load = kind
    build(reference).save(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 3])
        with pytest.raises(ArtifactError, match=path.name):
            load(tmp_path)
        path.unlink()
        with pytest.raises(ArtifactError, match=f"{path.name} is not there"):
            load(tmp_path)
        path.write_bytes(whole)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_on_either_side(kind: Kind, reference: pa.Table, rows: int) -> None:
    small = kind[0](reference.slice(0, rows))
    assert set(small.search(small.encode(reference), 5).reference.tolist()) == set(range(rows))
    searcher = kind[0](reference)
    queries = searcher.encode(reference.slice(0, rows))
    none = np.empty(0, np.int32)
    assert set(searcher.search(queries, 5).source.tolist()) == set(range(rows))
    assert searcher.similarity(queries, none, none).shape == (0,)


def test_empty_records_find_nothing_and_are_not_found(kind: Kind, reference: pa.Table, companies: Tables) -> None:
    empty = companies("", "")
    searcher = kind[0](reference)
    assert len(searcher.search(searcher.encode(empty), 5).source) == 0
    barren = kind[0](empty)
    assert len(barren.search(barren.encode(reference), 5).source) == 0


def test_nulls_and_missing_columns_count_as_empty(kind: Kind, reference: pa.Table) -> None:
    nulls = pa.table({name: pa.nulls(2, pa.string()) for name in reference.column_names})
    for table in (nulls, nulls.select(["__key"])):
        searcher = kind[0](reference)
        assert len(searcher.search(searcher.encode(table), 5).source) == 0
        barren = kind[0](table)
        assert len(barren.search(barren.encode(reference), 5).source) == 0


def test_many_identical_records_keep_the_limit_and_the_order(
    kind: Kind, companies: Tables, schema: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    many = 100_000 if kind[0](companies("a b")).name != "dense" else 2_000
    same = companies(*["alpha beta ag"] * many, isins=["DE0007236101"] * many)
    searcher = kind[0](same, schema)
    hits = searcher.search(searcher.encode(same.slice(0, 3)), 10)
    assert hits.source.tolist() == np.repeat([0, 1, 2], 10).tolist()
    assert hits.reference.tolist() == [*range(10)] * 3


def test_chunked_and_large_string_columns_are_read_alike(kind: Kind, reference: pa.Table) -> None:
    searcher = kind[0](reference)
    plain = searcher.search(searcher.encode(reference), 5)
    large = pa.table({name: reference[name].cast(pa.large_string()) for name in reference.column_names})
    chunked = pa.concat_tables([large.slice(0, 3), large.slice(3)])
    assert_same(plain, searcher.search(searcher.encode(chunked), 5))
    other = kind[0](chunked)
    assert_same(plain, other.search(other.encode(reference), 5))
