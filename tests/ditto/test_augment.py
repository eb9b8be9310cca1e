"""Augmentation: what each operator changes, and what none of them may."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entity_matching.ditto.augment import (
    OPERATORS,
    Augmenter,
    Operator,
    Pair,
    attr_del,
    attr_shuffle,
    entry_swap,
    mix_weight,
    name_noise,
    span_del,
    span_shuffle,
)
from entity_matching.ditto.words import Record, SpanType, Value, Word, words_of

VOCABULARY = ["acme", "north", "south", "bank", "technologies", "siemens", "of", "12", "x-3", "berlin", "ag", "é"]

seeds = st.integers(0, 2**32 - 1)
texts = st.sampled_from(VOCABULARY) | st.text("abcdeix&", min_size=1, max_size=9)
words = st.builds(Word, texts, st.sampled_from([SpanType.PLAIN] * 4 + list(SpanType)))
values = st.builds(Value, st.sampled_from(["name", "note", "city"]), st.lists(words, min_size=1, max_size=9).map(tuple))
records = st.lists(values, max_size=4).map(tuple)
pairs = st.tuples(records, records)
each_operator = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)


def record(**given: str) -> Record:
    """Make a record: ``name="acme 12/NUMBER"``; words without a type are plain."""
    return tuple(Value(name, tuple(_word(text) for text in words.split())) for name, words in given.items())


def _word(text: str) -> Word:
    text, _, kind = text.partition("/")
    return Word(text, SpanType[kind or "PLAIN"])


def says(record: Record) -> list[str]:
    return [" ".join(word.text for word in value.words) for value in record]


def typed(record: Record) -> Counter[Word]:
    return Counter(word for word in words_of(record) if word.type != SpanType.PLAIN)


def apply(operator: Operator, pair: Pair, draws: int = 60) -> list[Pair]:
    """Return what an operator makes of a pair with many seeds."""
    return [operator(pair, np.random.default_rng(seed)) for seed in range(draws)]


SUITABLE = (
    record(name="acme technologies global services 12/NUMBER", note="makes pumps and valves", city="berlin/PLACE"),
    record(name="acme technology worldwide services 12/NUMBER", note="pumps valves and more", city="berlin/PLACE"),
)


@each_operator
def test_an_operator_changes_a_suitable_pair(operator: Operator) -> None:
    assert SUITABLE not in apply(operator, SUITABLE)


@each_operator
@given(pairs, seeds)
def test_typed_words_stay(operator: Operator, pair: Pair, seed: int) -> None:
    left, right = operator(pair, np.random.default_rng(seed))
    if operator is entry_swap:
        left, right = right, left
    assert (typed(left), typed(right)) == (typed(pair[0]), typed(pair[1]))


@each_operator
@given(pairs, seeds)
def test_nothing_becomes_empty(operator: Operator, pair: Pair, seed: int) -> None:
    augmented = operator(pair, np.random.default_rng(seed))
    assert sum(map(bool, augmented)) == sum(map(bool, pair))
    assert all(value.words for side in augmented for value in side)
    assert all(word.text and not any(map(str.isspace, word.text)) for side in augmented for word in words_of(side))


@each_operator
@given(pairs, seeds)
def test_the_same_seed_gives_the_same_pair(operator: Operator, pair: Pair, seed: int) -> None:
    assert operator(pair, np.random.default_rng(seed)) == operator(pair, np.random.default_rng(seed))


@each_operator
@given(pairs, seeds)
def test_records_of_different_words_keep_different_words(operator: Operator, pair: Pair, seed: int) -> None:
    before, after = (
        [{word.text for word in words_of(side)} for side in sides]
        for sides in (pair, operator(pair, np.random.default_rng(seed)))
    )
    assert (before[0] == before[1]) or (after[0] != after[1])


@each_operator
@given(pairs, seeds)
def test_only_the_swap_touches_both_records(operator: Operator, pair: Pair, seed: int) -> None:
    augmented = operator(pair, np.random.default_rng(seed))
    if operator is entry_swap:
        assert augmented == (pair[1], pair[0])
    else:
        assert augmented[0] == pair[0] or augmented[1] == pair[1]


@each_operator
@pytest.mark.parametrize("left", [(), record(name="ag/FORM"), record(name="12/NUMBER de/PLACE")], ids=str)
def test_a_pair_without_plain_words_and_two_values_is_at_most_swapped(operator: Operator, left: Record) -> None:
    pair = (left, ())
    assert set(apply(operator, pair)) <= {pair, ((), left)}


def changed_value(pair: Pair, augmented: Pair) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """Return the words of the one value that differs, before and after."""
    differing = [
        (old.words, new.words)
        for old_side, new_side in zip(pair, augmented, strict=True)
        for old, new in zip(old_side, new_side, strict=True)
        if old != new
    ]
    assert len(differing) == 1
    return differing[0]


@given(pairs, seeds)
def test_span_del_deletes_up_to_four_words_in_a_row_and_at_most_half(pair: Pair, seed: int) -> None:
    augmented = span_del(pair, np.random.default_rng(seed))
    if augmented == pair:
        return
    old, new = changed_value(pair, augmented)
    gone = len(old) - len(new)
    plain = sum(word.type == SpanType.PLAIN for word in old)
    assert 1 <= gone <= min(4, plain / 2)
    assert any(old[:at] + old[at + gone :] == new for at in range(len(new) + 1))


def test_span_del_deletes_spans_of_each_length() -> None:
    pair = (record(note="a b c d e f g h i j"), record(note="k"))
    lengths = {len(old) - len(new) for old, new in (changed_value(pair, done) for done in apply(span_del, pair))}
    assert lengths == {1, 2, 3, 4}


@pytest.mark.parametrize("name", ["acme", "acme ag/FORM", "12/NUMBER acme ag/FORM"])
def test_span_del_spares_a_value_of_one_plain_word(name: str) -> None:
    pair = (record(name=name), record(name=name))
    assert set(apply(span_del, pair)) == {pair}


def test_span_del_leaves_what_two_records_share_and_what_tells_them_apart() -> None:
    pair = (record(name="acme bank of north"), record(name="acme bank of south"))
    for left, right in apply(span_del, pair):
        assert "north" in says(left)[0].split()
        assert "south" in says(right)[0].split()
        assert set(says(left)[0].split()) & set(says(right)[0].split())


@given(pairs, seeds)
def test_span_shuffle_moves_up_to_four_plain_words_within_a_value(pair: Pair, seed: int) -> None:
    augmented = span_shuffle(pair, np.random.default_rng(seed))
    if augmented == pair:
        return
    old, new = changed_value(pair, augmented)
    assert Counter(old) == Counter(new)
    moved = [place for place, (one, two) in enumerate(zip(old, new, strict=True)) if one != two]
    assert max(moved) - min(moved) < 4
    assert all(old[place].type == SpanType.PLAIN for place in range(min(moved), max(moved) + 1))


def test_span_shuffle_needs_two_different_plain_words_side_by_side() -> None:
    pair = (record(name="acme 12/NUMBER north ag/FORM", note="pump pump"), record(name="acme"))
    assert set(apply(span_shuffle, pair)) == {pair}
    enough = (record(name="pump pump pump valve"), record(name="acme"))
    assert enough not in apply(span_shuffle, enough)


@given(pairs, seeds)
def test_attr_del_deletes_one_value_of_plain_words(pair: Pair, seed: int) -> None:
    augmented = attr_del(pair, np.random.default_rng(seed))
    for old, new in zip(pair, augmented, strict=True):
        if old != new:
            gone = [at for at in range(len(old)) if (*old[:at], *old[at + 1 :]) == new]
            assert any(all(word.type == SpanType.PLAIN for word in old[at].words) for at in gone)


def test_attr_del_spares_typed_only_and_telling_values() -> None:
    left = record(name="acme", note="pumps", city="berlin/PLACE")
    seen = {tuple(says(one)) for one, _ in apply(attr_del, (left, record(name="acme", note="pumps")))}
    assert seen == {("acme", "pumps", "berlin"), ("acme", "berlin"), ("pumps", "berlin")}
    one_shared_one_own = (left, record(name="acme", note="valves"))
    assert {one for one, _ in apply(attr_del, one_shared_one_own)} == {left}
    only_values = (record(name="acme"), record(name="acme"))
    assert set(apply(attr_del, only_values)) == {only_values}


@given(pairs, seeds)
def test_attr_shuffle_reorders_whole_values(pair: Pair, seed: int) -> None:
    augmented = attr_shuffle(pair, np.random.default_rng(seed))
    assert [Counter(side) for side in augmented] == [Counter(side) for side in pair]
    assert (augmented != pair) == any(len(set(side)) > 1 for side in pair)


@given(pairs, seeds)
def test_name_noise_writes_one_or_a_few_plain_words_as_one_new_word(pair: Pair, seed: int) -> None:
    augmented = name_noise(pair, np.random.default_rng(seed))
    if augmented == pair:
        return
    old, new = changed_value(pair, augmented)
    written = len(old) - len(new) + 1
    at = next(place for place, (one, two) in enumerate(zip(old, new, strict=False)) if one != two)
    assert 1 <= written <= 5
    assert all(word.type == SpanType.PLAIN for word in (*old[at : at + written], new[at]))
    assert (*old[:at], new[at], *old[at + written :]) == new
    side = int(augmented[0] == pair[0])
    assert new[at].text not in {word.text for word in words_of(pair[1 - side])}


@given(pairs, seeds)
def test_augment_changes_a_pair_whenever_an_operator_can(pair: Pair, seed: int) -> None:
    augmented = Augmenter().augment(pair, np.random.default_rng(seed))
    assert augmented == Augmenter().augment(pair, np.random.default_rng(seed))
    stuck = all(operator(pair, np.random.default_rng(seed)) == pair for operator in OPERATORS)
    assert (augmented == pair) == stuck


def test_operators_that_can_change_a_pair_are_drawn_with_even_chances() -> None:
    pair = (record(name="acme", note="pumps"), record(name="bank"))  # too few words for spans, too short for noise
    rng = np.random.default_rng(7)
    drawn = Counter(Augmenter().augment(pair, rng) for _ in range(600))
    swapped = (pair[1], pair[0])
    reordered = (record(note="pumps", name="acme"), pair[1])
    assert drawn[swapped] == pytest.approx(drawn[reordered], rel=0.3)


def test_an_augmenter_uses_only_the_operators_it_is_given() -> None:
    augmenter = Augmenter(operators=(entry_swap, attr_del))
    assert set(apply(augmenter.augment, SUITABLE)) > {(SUITABLE[1], SUITABLE[0])}
    assert all(
        done == (SUITABLE[1], SUITABLE[0]) or sum(map(len, done)) == 5 for done in apply(augmenter.augment, SUITABLE)
    )
    assert Augmenter(operators=()).augment(SUITABLE, np.random.default_rng(0)) == SUITABLE


@given(st.floats(0.01, 50.0), seeds)
def test_the_original_outweighs_its_augmentation(alpha: float, seed: int) -> None:
    assert 0.5 <= mix_weight(alpha, np.random.default_rng(seed)) <= 1


def test_a_smaller_alpha_mixes_less() -> None:
    mean = {
        alpha: np.mean([mix_weight(alpha, np.random.default_rng(seed)) for seed in range(400)]) for alpha in (0.1, 5.0)
    }
    assert mean[0.1] > 0.9
    assert mean[5.0] < 0.7
