from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.schema import Schema
from entity_matching.search import CandidateIndex


def test_a_cut_name_finds_the_full_one(reference: pa.Table, schema: Schema) -> None:
    index = CandidateIndex.build(reference, schema)
    query = reference.slice(2, 1).set_column(3, "name.core", pa.array(["ubisoft entmt"]))
    found = index.search(query, limit=2)
    assert found.reference[0] == 2


def test_a_saved_index_finds_the_same(reference: pa.Table, schema: Schema, tmp_path: Path) -> None:
    index = CandidateIndex.build(reference, schema)
    index.save(tmp_path / "index")
    again = CandidateIndex.load(tmp_path / "index")
    first, second = index.search(reference), again.search(reference)
    assert again.settings == index.settings
    assert np.array_equal(first.reference, second.reference)
    for name in index.names:
        assert np.array_equal(first.scores[name], second.scores[name])


def test_an_exact_copy_scores_one_and_comes_first(reference: pa.Table, schema: Schema) -> None:
    found = CandidateIndex.build(reference, schema).search(reference)
    best = found.best(1)
    assert best.source.tolist() == [0, 1, 2, 3, 4, 5, 7]  # the empty record finds nothing
    assert best.reference.tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert best.fused == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_on_either_side(reference: pa.Table, schema: Schema, rows: int) -> None:
    index = CandidateIndex.build(reference.slice(0, rows), schema, SearchSettings())
    assert set(index.search(reference).reference.tolist()) <= set(range(rows))
    assert len(CandidateIndex.build(reference, schema).search(reference.slice(0, 0))) == 0
