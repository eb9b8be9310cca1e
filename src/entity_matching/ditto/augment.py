"""Augmentation of training pairs: Ditto's operators (Li et al., VLDB 2020, section 5.2), and noise of names.

Every operator returns the pair itself where it can change nothing. Typed words (numbers, codes, places, legal
forms) are never deleted, changed or moved within their value; a record that says something never becomes empty.
A deletion leaves a record at least one of the plain words that it shares with the other, and one of those that
it has alone, where it had any: without the former a match could no longer be seen to be one, without the latter
two records that differ in nothing else would become the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from entity_matching.ditto.name_noise import noisy_words, plain_runs
from entity_matching.ditto.words import Record, SpanType, Value, Word, words_of

Pair = tuple[Record, Record]
Operator = Callable[[Pair, np.random.Generator], Pair]

LONGEST_SPAN = 4
"""Words that a span has at most, as in Ditto."""

_Item = TypeVar("_Item")


def span_del(pair: Pair, rng: np.random.Generator) -> Pair:
    """Delete 1 to 4 plain words in a row in one value, at most half of its plain words."""
    for side, at in _places(pair, rng):
        words = pair[side][at].words
        can_go = _spare(pair, side)
        half = sum(word.type == SpanType.PLAIN for word in words) // 2
        for start, end in _spans(words, 1, min(half, LONGEST_SPAN), rng):
            if can_go(words[start:end]):
                return _with_words(pair, side, at, (*words[:start], *words[end:]))
    return pair


def span_shuffle(pair: Pair, rng: np.random.Generator) -> Pair:
    """Bring 2 to 4 plain words in a row in one value into another order."""
    for side, at in _places(pair, rng):
        words = pair[side][at].words
        for start, end in _spans(words, 2, LONGEST_SPAN, rng):
            if len(set(words[start:end])) > 1:
                return _with_words(pair, side, at, (*words[:start], *_reordered(words[start:end], rng), *words[end:]))
    return pair


def attr_del(pair: Pair, rng: np.random.Generator) -> Pair:
    """Delete a value without typed words, never the only one that has plain words."""
    for side, at in _places(pair, rng):
        record = pair[side]
        words = record[at].words
        if all(word.type == SpanType.PLAIN for word in words) and _spare(pair, side)(words):
            return _with_record(pair, side, (*record[:at], *record[at + 1 :]))
    return pair


def attr_shuffle(pair: Pair, rng: np.random.Generator) -> Pair:
    """Bring the values of one record into another order."""
    for side in rng.permutation(2).tolist():
        if len(set(pair[side])) > 1:
            return _with_record(pair, side, _reordered(pair[side], rng))
    return pair


def entry_swap(pair: Pair, rng: np.random.Generator) -> Pair:
    """Swap the two records."""
    left, right = pair
    return pair if left == right else (right, left)


def name_noise(pair: Pair, rng: np.random.Generator) -> Pair:
    """Write a word of one value, or a few as one, as another system might; see :mod:`.name_noise`."""
    for side, at in _places(pair, rng):
        other = [word.text for word in words_of(pair[1 - side])]
        words = noisy_words(pair[side][at].words, other, rng)
        if words is not None:
            return _with_words(pair, side, at, words)
    return pair


OPERATORS: tuple[Operator, ...] = (span_del, span_shuffle, attr_del, attr_shuffle, entry_swap, name_noise)


@dataclass(frozen=True)
class Augmenter:
    """Augments training pairs. ``operators``: those to draw from; all, unless stated."""

    operators: tuple[Operator, ...] = OPERATORS

    def augment(self, pair: Pair, rng: np.random.Generator) -> Pair:
        """Apply one operator, drawn with even chances from those that can change this pair.

        :return: the changed pair, or the pair itself if none can change it.
        """
        for at in rng.permutation(len(self.operators)).tolist():
            operator: Operator = self.operators[at]
            augmented = operator(pair, rng)
            if augmented != pair:
                return augmented
        return pair


def mix_weight(alpha: float, rng: np.random.Generator) -> float:
    """Draw the weight of the original when it is interpolated with its augmentation (MixDA).

    It is the larger of l and 1 - l, with l from Beta(alpha, alpha), so that the original dominates (Miao et al.,
    Snippext, WWW 2020). The augmentation's weight is one minus it.

    :param alpha: above 0; the smaller, the nearer the weight is to 1.
    :return: 0.5 to 1.
    """
    weight = float(rng.beta(alpha, alpha))
    return max(weight, 1 - weight)


def _places(pair: Pair, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Yield side and place of each value of both records, in random order."""
    places = [(side, at) for side in (0, 1) for at in range(len(pair[side]))]
    for chosen in rng.permutation(len(places)).tolist():
        yield places[chosen]


def _spans(words: Sequence[Word], shortest: int, longest: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Yield start and end of each span of plain words: lengths in random order, and so the spans of each length."""
    runs = plain_runs(words)
    for length in (shortest + rng.permutation(max(longest - shortest + 1, 0))).tolist():
        starts = [start for first, end in runs for start in range(first, end - length + 1)]
        for at in rng.permutation(len(starts)).tolist():
            yield starts[at], starts[at] + length


def _spare(pair: Pair, side: int) -> Callable[[Iterable[Word]], bool]:
    """Return a function that tells whether some words of a record may be deleted; see the head of this file."""
    elsewhere = frozenset(word.text for word in words_of(pair[1 - side]))

    def shared_and_own(words: Iterable[Word]) -> Counter[bool]:
        return Counter(word.text in elsewhere for word in words if word.type == SpanType.PLAIN)

    present = shared_and_own(words_of(pair[side]))
    return lambda words: all(count < present[shared] for shared, count in shared_and_own(words).items())


def _reordered(items: tuple[_Item, ...], rng: np.random.Generator) -> tuple[_Item, ...]:
    """Return the items, not all of them equal, in another order."""
    shuffled = tuple(items[at] for at in rng.permutation(len(items)).tolist())
    return shuffled if shuffled != items else (*items[1:], items[0])


def _with_words(pair: Pair, side: int, at: int, words: tuple[Word, ...]) -> Pair:
    record = pair[side]
    return _with_record(pair, side, (*record[:at], Value(record[at].attribute, words), *record[at + 1 :]))


def _with_record(pair: Pair, side: int, record: Record) -> Pair:
    return (record, pair[1]) if side == 0 else (pair[0], record)
