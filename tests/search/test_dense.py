from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from entity_matching.config import SearchSettings
from entity_matching.errors import OptionalDependencyError
from entity_matching.schema import Schema
from entity_matching.search.dense import DenseSearcher, minilm


def test_without_its_packages_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    with pytest.raises(OptionalDependencyError, match=r"entity-matching\[train\]"):
        minilm()


def test_a_small_memory_bound_changes_nothing(reference: pa.Table, schema: Schema) -> None:
    def encode(texts: list[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.array([[len(text) % 5, len(text) % 3, 1] for text in texts], np.float32)

    hits = []
    for size in (1, 1_000):
        searcher = DenseSearcher.build(reference, schema, SearchSettings(memory_mb=size), encode)
        hits.append(searcher.search(searcher.encode(pa.concat_tables([reference] * 20)), 4))
    assert np.array_equal(hits[0].reference, hits[1].reference)
