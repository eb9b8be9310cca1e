"""Candidates compared batch by batch."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.features import FeatureSpace, TextLimits
from entity_matching.matcher.compare import Compared, compare, compared_batches, without
from entity_matching.matcher.reference import Reference
from entity_matching.normalize import normalize_table
from entity_matching.schema import Schema, Side
from entity_matching.search import Candidates

SCHEMA = Schema.model_validate({"attributes": {"name": "name"}})
NAMES = ["Siemens AG", "Siemens Energy AG", "Bayer AG", "Kenmare Resources plc", "Kenmare Mining plc"]
SOURCES = ["SIEMENS AG", "zzz", "KENMARE RES PLC", "BAYER", "", "SIEMENS ENERG"]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.prepare(pa.table({"name": NAMES}), SCHEMA, SearchSettings(threads=1))


@pytest.fixture(scope="module")
def space(reference: Reference) -> FeatureSpace:
    return FeatureSpace.fit(reference.table, SCHEMA, TextLimits(threads=1))


@pytest.fixture(scope="module")
def sources() -> pa.Table:
    return normalize_table(pa.table({"name": SOURCES}), SCHEMA, Side.SOURCE)


def _batches(sources: pa.Table, reference: Reference, space: FeatureSpace, rows: int) -> list[Compared]:
    return list(compared_batches(sources, reference, space, rows))


def test_each_pair_has_its_features(sources: pa.Table, reference: Reference, space: FeatureSpace) -> None:
    candidates = reference.index.search(sources)
    block = compare(sources, reference, candidates, space)
    assert block.rows == len(candidates) > 0
    names = {feature.name for feature in block.features}
    assert "search.search" in names
    assert any(name.startswith("name.") for name in names)


@pytest.mark.parametrize("rows", [1, 2, 4])
def test_batches_say_what_the_whole_would(
    sources: pa.Table, reference: Reference, space: FeatureSpace, rows: int
) -> None:
    whole = _batches(sources, reference, space, 100)[0]
    parts = _batches(sources, reference, space, rows)
    assert [part.first for part in parts] == list(range(0, len(SOURCES), rows))
    assert sum(part.rows for part in parts) == len(SOURCES)
    assert all(part.sources.num_rows == part.rows for part in parts)
    source = np.concatenate([part.candidates.source + part.first for part in parts])
    assert source.tolist() == whole.candidates.source.tolist()
    together = np.concatenate([part.candidates.reference for part in parts])
    assert together.tolist() == whole.candidates.reference.tolist()
    matrix = np.concatenate([part.block.matrix() for part in parts])
    np.testing.assert_allclose(matrix, whole.block.matrix(), rtol=1e-5)


def test_no_source_gives_no_batch(sources: pa.Table, reference: Reference, space: FeatureSpace) -> None:
    assert _batches(sources.slice(0, 0), reference, space, 10) == []


def test_a_record_that_resembles_nothing_has_no_pairs(
    sources: pa.Table, reference: Reference, space: FeatureSpace
) -> None:
    (alone,) = _batches(sources.slice(4, 1), reference, space, 10)
    assert alone.rows == 1
    assert alone.block.rows == len(alone.candidates) == 0


def test_the_counterpart_of_some_records_is_hidden_and_nothing_else() -> None:
    candidates = Candidates(
        np.array([0, 0, 1, 1, 2], np.int32),
        np.array([7, 8, 7, 9, 7], np.int32),
        {"search": np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32)},
    )
    kept = without(candidates, np.array([7, 9, -1]), np.array([True, False, True]))
    assert kept.source.tolist() == [0, 1, 1, 2]
    assert kept.reference.tolist() == [8, 7, 9, 7]
    assert kept.fused.tolist() == pytest.approx([0.8, 0.7, 0.6, 0.5])
