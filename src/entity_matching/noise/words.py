"""Noise of single words: abbreviations and misspellings. Numbers, in digits or Roman figures, are left alone."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from entity_matching.normalize.words import standard_words

_VOWELS = re.compile(r"[aeiou]", re.IGNORECASE)
_NUMBER = re.compile(r"\d|(?<![^\W_])[ivx]+(?![^\W_])", re.IGNORECASE)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORTEST_CUT = 3
"""A word is never cut to fewer letters: ``TEC.`` still says something."""
LEAST_LETTERS = 6
"""Shorter words are abbreviated only where the trade does: ``GRP``, ``STL``."""


def is_fixed(word: str) -> bool:
    """Tell whether a word has a number in it, in digits or Roman figures: two funds may differ in nothing else."""
    return _NUMBER.search(word) is not None


def can_shorten(word: str) -> bool:
    """Tell whether a word can be abbreviated (a comma at its end is no hindrance)."""
    bare = word.rstrip(",")
    if not bare.isalpha() or is_fixed(bare):
        return False
    return len(bare) >= LEAST_LETTERS or bool(_usual(bare.lower()))


@cache
def known_abbreviations() -> dict[str, tuple[str, ...]]:
    """Return the usual abbreviations of each standard word, from the table that normalisation reads."""
    found: dict[str, list[str]] = {}
    for spelling, word in standard_words().items():
        if spelling.isalpha() and word.isalpha() and spelling[0] == word[0] and len(spelling) <= 0.75 * len(word):
            found.setdefault(word, []).append(spelling)
    return {word: tuple(spellings) for word, spellings in found.items()}


def _usual(lowered: str) -> tuple[str, ...]:
    found = known_abbreviations().get(standard_words().get(lowered, lowered), ())
    return tuple(short for short in found if short[0] == lowered[0] and len(short) < len(lowered))


def abbreviate(word: str, rng: np.random.Generator, *, room: int = 0) -> str:
    """Shorten one word: as usual in the trade where the table knows it, else cut or without inner vowels.

    :param word: a word that :func:`can_shorten`; it keeps its first letter.
    :param room: characters it should fit, for a cut made no deeper than it must; 0: any.
    """
    bare = word.rstrip(",")
    lowered = bare.lower()
    usual = _usual(lowered)
    chance = rng.random()
    if usual and (chance < 0.6 or len(bare) < LEAST_LETTERS):
        short = usual[int(len(usual) * rng.random() ** 2)]  # the table names the commonest first
        short = _like(bare, short)
        return short + "." if lowered.startswith(short.lower()) and rng.random() < 0.5 else short
    if chance > 0.94:
        return (bare[0] + _VOWELS.sub("", bare[1:]))[:8]
    keep = room - 1 if SHORTEST_CUT < room <= len(bare) else int(len(bare) * rng.uniform(0.45, 0.85))
    keep = max(keep, SHORTEST_CUT)
    if bare[keep - 1].lower() in "aeiou" and keep > SHORTEST_CUT and rng.random() < 0.7:
        keep -= 1
    if is_fixed(bare[:keep]):
        return bare
    return bare[:keep] + ("." if rng.random() < 0.8 else "")


def _like(word: str, short: str) -> str:
    """Write an abbreviation in the case of the word."""
    if word.isupper():
        return short.upper()
    return short.capitalize() if word[:1].isupper() else short


def typo(word: str, rng: np.random.Generator) -> str:
    """Misspell a word at one place: a letter left out, doubled, swapped or replaced; the first letter stays.

    Words of fewer than five letters, and numbers, come back as they are.
    """
    places = [place for place in range(1, len(word)) if word[place].isalpha()]
    if len(places) < 4 or is_fixed(word):
        return word
    at = places[int(rng.integers(len(places)))]
    how = int(rng.integers(4))
    if how == 0:
        return word[:at] + word[at + 1 :]
    if how == 1:
        return word[:at] + word[at] + word[at:]
    if how == 2 and at > 1:
        return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    return word[:at] + _LETTERS[int(rng.integers(len(_LETTERS)))] + word[at + 1 :]


def misspell(words: list[str], rng: np.random.Generator) -> list[str]:
    """Return the words with a misspelling in one of them, longer ones first in line."""
    at = max(range(len(words)), key=lambda place: len(words[place]) * rng.random(), default=-1)
    return [*words[:at], typo(words[at], rng), *words[at + 1 :]] if at >= 0 else words
