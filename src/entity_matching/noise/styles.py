"""How a source writes its names: the style of each, learnt without labels.

A synthetic name takes the style of a real one drawn at random. So what goes together in the source (capitals,
a limit of 25 characters and ``DL-,01`` at the end; or small letters and the full legal form) stays together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from entity_matching.normalize.listings import strip_listing
from entity_matching.normalize.text import ascii_words, to_ascii
from entity_matching.normalize.words import standard_words

SHORTEST_LIMIT = 8
"""No limit below this many characters is believed in."""
_LEAST_COUNT, _LEAST_SHARE, _JUMP = 8, 0.02, 2.0
_CUT_WORD = re.compile(r"(?<![a-z])([a-z]{2,})\.")  # from a word's start alone: else a huge one takes forever
_FORM_WORDS = frozenset("co cos corp inc ltd plc pty pvt pte bhd tbk spa nv sa ag ab se as oyj asa kgaa gmbh".split())


@dataclass(frozen=True)
class Style:
    """How one name is written.

    ``case``: ``upper``, ``lower`` or "" (as it comes). ``limit``: characters the system has room for, 0 if
    none is known. ``formed``: the legal form is there. ``abbreviated``: some words are. ``repeated``: the
    name comes twice, as in ``IMERYS SA IMERYS ORD SHS``. ``ending``: the listing suffix as it stands, with the
    spaces before it, as in ``  DL-,01``.
    """

    case: str = ""
    limit: int = 0
    formed: bool = True
    abbreviated: bool = False
    repeated: bool = False
    ending: str = ""


BUILT_IN = (
    *(Style("upper", 25, ending=ending) for ending in ("  DL-,01", " O.N.", "  EO 1", " NA O.N.")),
    *(Style("upper", 25, formed=False, abbreviated=True, ending=ending) for ending in (".DL-,001", " INH.EO 1")),
    *(Style("upper", 25, abbreviated=True), Style("upper", 25), Style("upper", 25, formed=False)),
    *(Style("upper", 31), Style("upper", 31, repeated=True), Style("", 30)),
    *(Style(), Style(formed=False), Style(ending=" Class A"), Style(ending=" ADR")),
)
"""Styles of market data, for when there is no source to learn from."""


def learn_styles(names: Sequence[str], formed: Sequence[bool]) -> tuple[Style, ...]:
    """Return the style of each name.

    :param names: names as given, none empty.
    :param formed: whether each has a legal form.
    """
    cases = [case_of(name) for name in names]
    limits = {
        case: common_limits(np.array([len(name) for name, own in zip(names, cases, strict=True) if own == case]))
        for case in set(cases)
    }
    return tuple(
        _style(name, case, limits[case], has_form) for name, case, has_form in zip(names, cases, formed, strict=True)
    )


def case_of(text: str) -> str:
    """Return ``upper``, ``lower`` or "" for mixed case and for what has no case."""
    return "upper" if text.isupper() else "lower" if text.islower() else ""


def common_limits(lengths: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the lengths at which values are cut, ascending.

    A limit shows as a length far commoner than those on both sides of it: what would be longer ends there.

    :param lengths: characters of each value, shape (n,).
    """
    if not len(lengths):
        return ()
    counts = np.bincount(lengths, minlength=SHORTEST_LIMIT + 4)
    counts = np.r_[counts, np.zeros(3, dtype=counts.dtype)]
    least = max(_LEAST_COUNT, _LEAST_SHARE * len(lengths))
    return tuple(
        length
        for length in range(SHORTEST_LIMIT, len(counts) - 3)
        if counts[length] >= least
        and counts[length] > _JUMP * counts[length + 1 : length + 4].mean()
        and counts[length] > _JUMP * counts[length - 3 : length].mean()
    )


def _style(name: str, case: str, limits: tuple[int, ...], formed: bool) -> Style:
    body, ending = split_ending(name)
    words = ascii_words(to_ascii(body)).split()
    repeated = _is_repeated(words)
    room = [limit for limit in limits if limit >= len(name)]
    limit = (max(room) if repeated else min(room)) if room else 0
    return Style(case, limit, formed, _is_abbreviated(body, words), repeated, "" if repeated else ending)


def split_ending(name: str) -> tuple[str, str]:
    """Split a name into what it says and its listing suffix as it stands; "" if it has none."""
    ascii_name = to_ascii(name)
    stripped, _ = strip_listing(ascii_name, capitals=name.isupper())
    kept = stripped.rstrip(".")
    if stripped is ascii_name or len(ascii_name) != len(name) or not ascii_name.startswith(kept):
        return name, ""
    at = len(kept) + (name[len(kept) : len(kept) + 2] in (". ", "."))
    return name[:at], name[at:].rstrip()


def _is_repeated(words: list[str]) -> bool:
    """Tell whether the last words begin the name anew; they may be cut."""
    for place in range(1, len(words)):
        if words[place] == words[0] and len(words[0]) > 2:
            return "".join(words[:place]).startswith("".join(words[place:]))
    return False


def _is_abbreviated(body: str, words: list[str]) -> bool:
    known = standard_words()
    if any(word in known and len(known[word]) > len(word) + 1 for word in words if word not in _FORM_WORDS):
        return True
    return any(found not in _FORM_WORDS for found in _CUT_WORD.findall(body.lower()))
