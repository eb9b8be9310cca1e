from __future__ import annotations

import numpy as np
import pytest

from entity_matching.features import Block


def block(**columns: list[float]) -> Block:
    made = Block(2)
    for name, values in columns.items():
        made.add(name, np.array(values), 1, f"the {name}")
    return made


def test_columns_keep_their_order_and_become_float32() -> None:
    matrix = block(a=[1, 2], b=[3, 4]).matrix()
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[1, 3], [2, 4]]


def test_features_are_picked_by_name_and_those_that_are_lacking_are_unknown() -> None:
    matrix = block(a=[1, 2], b=[3, 4]).matrix(["b", "c"])
    assert matrix[:, 0].tolist() == [3, 4]
    assert np.isnan(matrix[:, 1]).all()


def test_a_column_of_another_length_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'a' has shape \(3,\), expected \(2,\)"):
        block(a=[1, 2, 3])


def test_an_unknown_feature_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="b"):
        block(a=[1, 2]).column("b")


def test_blocks_of_the_same_pairs_are_joined() -> None:
    joined = block(a=[1, 2])
    joined.extend(block(b=[3, 4]))
    assert [feature.name for feature in joined.features] == ["a", "b"]
    assert joined.column("b").tolist() == [3, 4]
    assert joined.features[1].meaning == "the b"


def test_a_block_without_features_has_rows_all_the_same() -> None:
    assert Block(5).matrix().shape == (5, 0)
