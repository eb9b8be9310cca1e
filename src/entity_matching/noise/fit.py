"""A name made to fit the room a system has for it: words abbreviated, left out or cut."""

from __future__ import annotations

import re

import numpy as np

from entity_matching.noise.words import SHORTEST_CUT, abbreviate, can_shorten, is_fixed

GIVEN_UP = 0.1
"""Chance that no further word is abbreviated and the name is cut where it stands."""
_AFTER_CUT = re.compile(r"(?<=[^\W\d_]{2}\.) (?=[^\W\d_])")


def squeeze(words: list[str], room: int, rng: np.random.Generator) -> list[str]:
    """Abbreviate words, the later ones first, until the name fits; what still does not is cut.

    :param words: the words of the name; numbers among them are kept whole.
    :param room: characters there are.
    """
    words = list(words)
    excess = _length(words) - room
    long = [place for place, word in enumerate(words) if place > 0 and can_shorten(word)]
    while excess > 0 and long and rng.random() > GIVEN_UP:
        at = long.pop(int(len(long) * np.sqrt(rng.random())))
        before = len(words[at])
        words[at] = abbreviate(words[at], rng, room=before - excess)
        excess -= before - len(words[at])
    return cut(words, room)


def cut(words: list[str], room: int) -> list[str]:
    """Cut a name at its end as a system with so many characters does.

    Numbers are kept whole and the first word keeps some letters, even if that takes more room than there is.
    """
    excess = _length(words) - room
    kept: list[str] = []
    for word in reversed(words[1:]):
        if excess <= 0 or is_fixed(word):
            kept.append(word)
        elif len(word) > excess:
            stump = word[: len(word) - excess]
            kept.extend([] if is_fixed(stump) else [stump])  # an "I" left of "Inc." would read as a number
            excess = 0
        else:
            excess -= len(word) + 1
    first = words[:1]
    if excess > 0 and first and not is_fixed(first[0]):
        first = [first[0][: max(len(first[0]) - excess, SHORTEST_CUT)]]
    return [*first, *reversed(kept)]


def join(words: list[str], *, glue: bool) -> str:
    """Join words; with ``glue`` there is no space after an abbreviated one, as in ``SHIP.PORT.``."""
    parts = words[:1]
    for before, word in zip(words, words[1:], strict=False):
        apart = not glue or is_fixed(word) or not _AFTER_CUT.search(f"{before} {word}")
        parts.append(f" {word}" if apart else word)
    return "".join(parts)


def _length(words: list[str]) -> int:
    return sum(map(len, words)) + len(words) - 1
