"""Noise of names, word by word: abbreviated, cut off, misspelt, glued together, or written as initials.

It is what other systems do to a name, so a match stays one. Typed words are left alone, and no word is written
that would make another record of this one: see :func:`noisy_words`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise

import numpy as np

from entity_matching.ditto.words import SpanType, Word
from entity_matching.normalize.legal_forms import find_forms

LEAST_LETTERS = 5
"""Shorter words are neither abbreviated nor misspelt: too little would tell them from others."""
MOST_LETTERS = 40
"""What is longer is no word of a name, and is left alone."""
SHORTEST_CUT = 3
"""A word is never cut to fewer letters."""
LONG_VALUE = 20
"""Characters from which a value may have been cut off by a field's width."""
FEWEST_INITIALS, MOST_INITIALS = 3, 5
"""Words of a name that is written as its initials."""

_VOWELS = frozenset("aeiou")
_ROMAN = frozenset("ivxlcdm")

_Change = tuple[int, int, str]
"""The words from the first place to the second (not included) are written as one word with this text."""


def plain_runs(words: Sequence[Word]) -> list[tuple[int, int]]:
    """Return start and end (not included) of each longest run of words of type ``PLAIN``."""
    runs = []
    end = 0
    for plain, found in groupby(words, key=lambda word: word.type == SpanType.PLAIN):
        start, end = end, end + sum(1 for _ in found)
        if plain:
            runs.append((start, end))
    return runs


def noisy_words(words: tuple[Word, ...], other: Sequence[str], rng: np.random.Generator) -> tuple[Word, ...] | None:
    """Write one plain word, or a few as one, the way another system might.

    The new word is neither a word of the other record nor, unless it stands for words that both records have,
    the beginning or the initials of some of its words; nor does it read as a legal form or a Roman numeral.

    :param words: of one value.
    :param other: texts of the words of the record that this one is compared with, in order.
    :return: as many words as there were or fewer, never none; None where there is nothing to change.
    """
    for at in rng.permutation(len(_KINDS)).tolist():
        for start, end, text in _KINDS[at](words, rng):
            if _is_plain(text) and _is_its_own([word.text for word in words[start:end]], text, other):
                return (*words[:start], Word(text), *words[end:])
    return None


def _is_plain(text: str) -> bool:
    return not _ROMAN.issuperset(text) and not find_forms([text])


def _is_its_own(old: list[str], new: str, other: Sequence[str]) -> bool:
    """Tell whether a new word does not take the place of what the other record says."""
    if new in other:
        return False
    if all(text in other for text in old):
        return True
    return not any(text.startswith(new) for text in other) and new not in "".join(text[0] for text in other)


def _letter_words(words: Sequence[Word], least: int) -> list[int]:
    """Return the places of plain words that are nothing but letters, at least so many and not too many."""
    return [
        place
        for place, word in enumerate(words)
        if word.type == SpanType.PLAIN and least <= len(word.text) <= MOST_LETTERS and word.text.isalpha()
    ]


def _in_any_order(places: Sequence[int], rng: np.random.Generator) -> list[int]:
    return [places[at] for at in rng.permutation(len(places)).tolist()]


def _abbreviations(words: tuple[Word, ...], rng: np.random.Generator) -> Iterator[_Change]:
    """Cut a word after a consonant, or leave out its vowels but the first letter."""
    for place in _in_any_order(_letter_words(words, LEAST_LETTERS), rng):
        text = words[place].text
        shorter = [text[:end] for end in range(SHORTEST_CUT, len(text) - 1) if text[end - 1] not in _VOWELS]
        consonants = text[0] + "".join(letter for letter in text[1:] if letter not in _VOWELS)
        if SHORTEST_CUT <= len(consonants) < len(text):
            shorter.append(consonants)
        for at in rng.permutation(len(shorter)).tolist():
            yield place, place + 1, shorter[at]


def _truncations(words: tuple[Word, ...], rng: np.random.Generator) -> Iterator[_Change]:
    """Cut the last plain word of a long value anywhere."""
    if sum(len(word.text) + 1 for word in words) <= LONG_VALUE:
        return
    last = max((end - 1 for _, end in plain_runs(words)), default=-1)
    for place in _letter_words(words, SHORTEST_CUT + 1):
        if place == last:
            text = words[place].text
            for end in _in_any_order(range(SHORTEST_CUT, len(text)), rng):
                yield place, place + 1, text[:end]


def _misspellings(words: tuple[Word, ...], rng: np.random.Generator) -> Iterator[_Change]:
    """Swap two letters of a word, leave one out, or double one; the first letter stays."""
    for place in _in_any_order(_letter_words(words, LEAST_LETTERS), rng):
        text = words[place].text
        for at in _in_any_order(range(1, len(text)), rng):
            ways = [text[:at] + text[at + 1 :], text[:at] + text[at] + text[at:]]
            if at > 1 and text[at - 1] != text[at]:
                ways.append(text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :])
            yield place, place + 1, ways[int(rng.integers(len(ways)))]


def _gluings(words: tuple[Word, ...], rng: np.random.Generator) -> Iterator[_Change]:
    """Leave out the space between two words."""
    first = [place for place, following in pairwise(_letter_words(words, 1)) if following == place + 1]
    for place in _in_any_order(first, rng):
        yield place, place + 2, words[place].text + words[place + 1].text


def _initials(words: tuple[Word, ...], rng: np.random.Generator) -> Iterator[_Change]:
    """Write a run of a few words as their first letters."""
    runs = plain_runs(words)
    for at in rng.permutation(len(runs)).tolist():
        start, end = runs[at]
        texts = [word.text for word in words[start:end]]
        if FEWEST_INITIALS <= len(texts) <= MOST_INITIALS and all(text.isalpha() for text in texts):
            yield start, end, "".join(text[0] for text in texts)


_KINDS: tuple[Callable[[tuple[Word, ...], np.random.Generator], Iterator[_Change]], ...] = (
    _abbreviations,
    _truncations,
    _misspellings,
    _gluings,
    _initials,
)
