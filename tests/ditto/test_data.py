from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from entity_matching.ditto.augment import Augmenter, span_del
from entity_matching.ditto.data import Example, ExampleMaker, PairSet
from entity_matching.ditto.tokens import TokenizedPair
from entity_matching.ditto.words import Record

MakeSet = Callable[..., PairSet]


def maker(sets: list[PairSet], share: float, alpha: float | None = 0.8) -> ExampleMaker:
    return ExampleMaker(sets, Augmenter((span_del,)), share, alpha)


def examples(making: ExampleMaker, count: int = 200) -> list[Example]:
    rng = np.random.default_rng(0)
    return [making.example((0, at % len(making.sets[0].pairs)), rng) for at in range(count)]


def same(one: TokenizedPair, other: TokenizedPair) -> bool:
    return np.array_equal(one.ids, other.ids) and np.array_equal(one.types, other.types)


def test_records_tokenised_once_give_the_tokens_of_their_pairs(make_set: MakeSet) -> None:
    data = make_set(matches=3, others=5)
    pairs = data.pairs
    expected = [data.tokenizer.pair(pairs.left[left], pairs.right[right]) for left, right in pairs.pairs.tolist()]
    assert all(map(same, data.tokenized(), expected))
    some = data.tokenized(np.array([6, 2]))
    assert len(some) == 2
    assert same(some[0], expected[6])
    assert same(some[1], expected[2])


def test_a_record_may_be_in_several_pairs(make_set: MakeSet, make_record: Callable[[str, str], Record]) -> None:
    from entity_matching.ditto.pairs import RecordPairs  # noqa: PLC0415

    one, two = make_record("acme steel", "12"), make_record("delta paper", "34")
    crossed = RecordPairs(
        [one], [one, two], np.array([[0, 0], [0, 1]]), np.array([True, False]), np.ones(2, np.float32)
    )
    first, second = make_set(crossed).tokenized()
    tokenizer = make_set(crossed).tokenizer
    assert same(first, tokenizer.pair(one, one))
    assert same(second, tokenizer.pair(one, two))


def test_pairs_that_are_not_augmented_stay_as_they_are(make_set: MakeSet) -> None:
    data = make_set(matches=3, others=5)
    for at, example in enumerate(examples(maker([data], share=0.0), 8)):
        assert same(example.pair, data.tokenized()[at])
        assert example.second is None
        assert example.kept == 1.0


def test_the_share_asked_for_is_augmented(make_set: MakeSet) -> None:
    made = examples(maker([make_set()], share=0.3), 1_000)
    assert sum(example.second is not None for example in made) / 1_000 == pytest.approx(0.3, abs=0.05)


def test_mixing_keeps_the_original_and_lets_it_weigh_more(make_set: MakeSet) -> None:
    data = make_set(matches=3, others=5)
    for at, example in enumerate(examples(maker([data], share=1.0), 8)):
        assert same(example.pair, data.tokenized()[at])
        assert example.second is not None
        assert len(example.second) < len(example.pair)
        assert 0.5 <= example.kept <= 1.0


def test_without_mixing_the_augmented_pair_stands_in(make_set: MakeSet) -> None:
    data = make_set(matches=3, others=5)
    for at, example in enumerate(examples(maker([data], share=1.0, alpha=None), 8)):
        assert example.second is None
        assert len(example.pair) < len(data.tokenized()[at])


def test_label_and_weight_are_those_of_the_pair_of_the_data_set_asked(make_set: MakeSet) -> None:
    first, second = make_set(matches=2, others=1), make_set(matches=1, others=2, seed=9)
    second.pairs.weight[:] = 0.25
    making, rng = maker([first, second], share=0.0), np.random.default_rng(0)
    made: list[Any] = [making.example((number, 1), rng) for number in (0, 1)]
    assert [example.match for example in made] == [True, False]
    assert [example.weight for example in made] == [1.0, 0.25]
    assert same(made[1].pair, second.tokenized()[1])


def test_the_same_draws_give_the_same_examples(make_set: MakeSet) -> None:
    making = maker([make_set()], share=0.5)
    for one, again in zip(examples(making), examples(making), strict=True):
        assert one.kept == again.kept
        assert (one.second is None) == (again.second is None)
        assert one.second is None or again.second is None or same(one.second, again.second)
