"""Records of entities that do not exist."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from entity_matching.noise import ColumnProfile, decoy_records, profile_source
from entity_matching.schema import Schema

SCHEMA = Schema.model_validate(
    {
        "attributes": {
            "name": {"kind": "name", "source_column": "firm"},
            "country": {"kind": "category", "type": "country"},
            "isin": {"kind": "identifier", "type": "isin"},
        }
    }
)
REFERENCE = pa.table(
    {
        "name": pa.array(["Siemens Energy Holdings AG", "Fund 2000 II", "BASF", None, ""] * 20, pa.string()),
        "country": pa.array([f"Country {row}" for row in range(100)]).dictionary_encode(),
        "isin": ["DE0007236101"] * 100,
    }
)
ROWS = np.arange(100, dtype=np.int64)


def _decoys(seed: int = 0, **profiles: ColumnProfile) -> pa.Table:
    return decoy_records(
        REFERENCE, ROWS, SCHEMA, {**profile_source(None, SCHEMA), **profiles}, np.random.default_rng(seed)
    )


def test_a_decoy_shares_no_first_word_with_its_model_and_is_about_as_long() -> None:
    for name, model in zip(_decoys()["firm"].to_pylist(), REFERENCE["name"].to_pylist(), strict=True):
        if model:
            assert name.split()[0].lower() != model.split()[0].lower()
            assert [len(word) for word in name.split()] == [len(word) for word in model.split()]
        else:
            assert name is None


def test_some_words_may_stay_so_that_decoys_are_near_misses() -> None:
    names = " ".join(name for name in _decoys()["firm"].to_pylist() if name).split()
    assert {"Holdings", "AG", "Energy"} & set(names)


def test_identifiers_are_left_out_and_other_values_are_some_other_records() -> None:
    table = _decoys()
    assert table["isin"].null_count == 100
    assert sorted(table["country"].to_pylist()) == sorted(REFERENCE["country"].to_pylist())
    assert table["country"].to_pylist() != REFERENCE["country"].to_pylist()


def test_what_the_source_lacks_is_left_out() -> None:
    assert _decoys(country=ColumnProfile(missing=1.0)).column_names == ["firm", "isin"]


def test_one_seed_gives_the_same_decoys() -> None:
    assert _decoys(3).equals(_decoys(3))
    assert not _decoys(3).equals(_decoys(4))
