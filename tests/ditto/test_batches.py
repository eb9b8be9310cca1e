from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.ditto.batches import batches, parts

LENGTHS = st.lists(st.integers(1, 200), max_size=120)


def padded(
    lengths: np.ndarray[tuple[int], np.dtype[np.int64]], dealt: list[np.ndarray[tuple[int], np.dtype[np.int64]]]
) -> int:
    return sum(len(batch) * int(lengths[batch].max()) for batch in dealt)


@given(LENGTHS, st.integers(1, 9), st.integers(0, 2**32))
def test_every_item_is_in_one_batch(lengths: list[int], size: int, seed: int) -> None:
    dealt = batches(np.array(lengths, np.int64), size, np.random.default_rng(seed))
    assert sorted(n for batch in dealt for n in batch.tolist()) == list(range(len(lengths)))
    assert len(dealt) == math.ceil(len(lengths) / size)
    assert all(len(batch) <= size for batch in dealt)


def test_batches_have_items_of_like_length_and_so_little_padding() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 129, 5_000)
    dealt = batches(lengths, 32, rng)
    as_they_come = [np.arange(at, min(at + 32, 5_000)) for at in range(0, 5_000, 32)]
    assert padded(lengths, dealt) < 1.05 * lengths.sum()
    assert padded(lengths, as_they_come) > 1.5 * lengths.sum()


def test_long_and_short_batches_come_in_turn_at_random() -> None:
    lengths = np.arange(1, 1_001)
    dealt = batches(lengths, 10, np.random.default_rng(0))
    means = [float(lengths[batch].mean()) for batch in dealt]
    assert means != sorted(means)
    again, other = (batches(lengths, 10, np.random.default_rng(seed)) for seed in (0, 1))
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in dealt]
    assert [batch.tolist() for batch in other] != [batch.tolist() for batch in dealt]


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(1, 2)), max_size=60), st.integers(1, 500))
def test_a_part_never_has_more_tokens_than_asked_unless_it_is_one_item(items: list[tuple[int, int]], most: int) -> None:
    lengths, rows = np.array(items, np.int64).reshape(-1, 2).T
    found = [np.arange(len(items))[part] for part in parts(lengths, most, rows)]
    assert [at for part in found for at in part.tolist()] == list(range(len(items)))
    for part in found:
        assert len(part) == 1 or lengths[part].max() * rows[part].sum() <= most


@given(LENGTHS, st.integers(1, 500))
def test_a_part_is_as_large_as_it_may_be(lengths: list[int], most: int) -> None:
    found = list(parts(np.array(lengths, np.int64), most))
    for part, after in zip(found, found[1:], strict=False):
        with_next = lengths[part.start : after.start + 1]
        assert max(with_next) * len(with_next) > most
