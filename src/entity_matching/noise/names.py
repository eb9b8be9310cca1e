"""Noise of names: how one organisation's, person's or product's name turns up in another system.

Each name is written in the style of one of the source's own; see :mod:`entity_matching.noise.styles`.
"""

from __future__ import annotations

import numpy as np
from anyascii import anyascii

from entity_matching.noise.fit import cut, join, squeeze
from entity_matching.noise.forms import split_form, write_form
from entity_matching.noise.profile import ColumnProfile
from entity_matching.noise.styles import Style
from entity_matching.noise.words import abbreviate, can_shorten, is_fixed, misspell

UNCHANGED = 0.08
"""Share of names that come back with nothing changed but their case, so that a scorer learns that identity is
no reason for doubt."""
MISSPELT = 0.06
SHORTENED = 0.12
"""Share of names left with a word fewer; never of a name of one or two words."""
OFF_STYLE = 0.1
"""Share of names that abbreviate, or leave out the legal form, although the style drawn does not."""
INITIALS = 0.15
"""Share of names that hold an initial for a word, where the source's names have no legal forms (people's)."""
REPEAT_LIMIT = 31
MOST_CUT = 0.75
"""The legal form stays only if the other words keep this share of their length beside it."""
LEAST_ROOM = 8
"""A listing suffix leaves at least so many characters to the name."""

_ANDS = frozenset({"&", "and", "und", "et"})
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "å": "aa"})


def noisy_name(name: str, profile: ColumnProfile, rng: np.random.Generator) -> str:
    """Write a name as the source might.

    Numbers, in digits or Roman figures, and the first letter stay. A name that is not blank never becomes so.

    :param profile: of the attribute in the source.
    """
    style = profile.styles[int(rng.integers(len(profile.styles)))] if profile.styles else Style()
    if not name.strip() or rng.random() < UNCHANGED:
        return _cased(name, style)
    if rng.random() < profile.ascii:
        name = _in_ascii(name, rng)
    split = split_form(name)
    words = _without_one(split.words, rng)
    words = _and_signs(words, profile, rng)
    if profile.formed < 0.2 and rng.random() < INITIALS:
        words = _initial(words, rng)
    if rng.random() < MISSPELT:
        words = misspell(words, rng)
    if style.case or rng.random() < 0.3:
        words = [word.rstrip(",") or word for word in words]
    keep_form = style.formed != (rng.random() < OFF_STYLE)
    form = write_form(split, rng) if keep_form else []
    if style.case:
        form = [word.rstrip(",") for word in form]
    result = _repeated(words, form, style) if style.repeated else _fitted(words, form, style, rng)
    return _cased(result if result.strip() else name, style)


def _in_ascii(name: str, rng: np.random.Generator) -> str:
    """Write letters beyond ASCII as a system that lacks them does: umlauts as two letters or as one."""
    if name.isascii():
        return name
    german = name.translate(_GERMAN) if rng.random() < 0.5 else name
    plain = anyascii(german)
    return plain if plain.strip() else name


def _without_one(words: list[str], rng: np.random.Generator) -> list[str]:
    """Leave out a word, more often the last; never the first, nor a number."""
    if len(words) < 3 or rng.random() > SHORTENED:
        return words
    at = len(words) - 1 if rng.random() < 0.7 else int(rng.integers(1, len(words)))
    return words if is_fixed(words[at]) else [*words[:at], *words[at + 1 :]]


def _and_signs(words: list[str], profile: ColumnProfile, rng: np.random.Generator) -> list[str]:
    """Write "and" with another sign; ``+`` stands without spaces, mostly."""
    result: list[str] = []
    glued = False
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if glued:
            result[-1] += word
            glued = False
        elif result and word in _ANDS and rng.random() < (0.6 if word == "&" else 0.25):
            sign = "+" if rng.random() < profile.plus else "and" if word == "&" else "&"
            glued = sign == "+" and not is_fixed(result[-1]) and not is_fixed(following) and rng.random() < 0.7
            if glued:
                result[-1] += sign
            else:
                result.append(sign)
        else:
            result.append(word)
    return result


def _initial(words: list[str], rng: np.random.Generator) -> list[str]:
    """Write a word before the last as its first letter: ``J. Smith``."""
    if len(words) < 2:
        return words
    at = int(rng.integers(len(words) - 1))
    if len(words[at]) < 3 or not words[at].isalpha() or is_fixed(words[at]):
        return words
    return [*words[:at], words[at][0] + ".", *words[at + 1 :]]


def _fitted(words: list[str], form: list[str], style: Style, rng: np.random.Generator) -> str:
    """Abbreviate as the style does, fit the name into its limit, and add its ending."""
    if style.abbreviated or rng.random() < OFF_STYLE:
        words = _abbreviated(words, rng)
    ending = style.ending
    if style.limit:
        length, form_length = _length(words), _length(form)
        if ending.startswith("  ") and length + form_length + len(ending) > style.limit and rng.random() < 0.6:
            ending = ending[1:]  # vendors leave a gap mostly where there is room
        room = max(style.limit - len(ending), LEAST_ROOM)
        if length * MOST_CUT > room - form_length:
            form, form_length = [], 0  # what distinguishes comes before the legal form
        if style.abbreviated or ending or rng.random() < 0.3:
            words = squeeze(words, max(room - form_length, LEAST_ROOM), rng)
        words = cut([*words, *form], room)
    else:
        words = [*words, *form]
    text = join(words, glue=style.abbreviated and rng.random() < 0.6)
    return (text.rstrip(".") if ending.startswith(".") else text) + ending


def _length(words: list[str]) -> int:
    """Return the characters words take, each with a space."""
    return sum(len(word) + 1 for word in words)


def _abbreviated(words: list[str], rng: np.random.Generator) -> list[str]:
    """Abbreviate one long word, and each further one with even chances; the first, which distinguishes most, seldom."""
    long = [place for place, word in enumerate(words) if place and can_shorten(word)]
    chosen = long[int(rng.integers(len(long)))] if long else -1
    result = list(words)
    for place in long:
        if place == chosen or rng.random() < 0.5:
            result[place] = abbreviate(words[place], rng)
    if len(words) > 1 and can_shorten(words[0]) and rng.random() < 0.05:
        result[0] = abbreviate(words[0], rng)
    return result


def _repeated(words: list[str], form: list[str], style: Style) -> str:
    """Write the name twice with its class, as London's order book does, cut at its limit."""
    return " ".join(cut([*words, *form, *words, "ORD", "SHS"], style.limit or REPEAT_LIMIT))


def _cased(name: str, style: Style) -> str:
    return name.upper() if style.case == "upper" else name.lower() if style.case == "lower" else name
