"""Words that are nearly the same: cut, abbreviated, misspelt. The network is told which words of a pair are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

from rapidfuzz.distance import LCSseq, Prefix

TYPO = 0.75
"""Least share of common letters (2 x LCS / total length) at which two words count as one misspelt."""
LONGEST = 100
"""Letters of a word that are compared with another's; hardly any word has more, and time grows with the square."""
SHORTEST_CODE = 4
"""Characters that two words of which one has a digit must have in common at their beginning."""
SHORTEST_CUT, SHORTEST_ABBREVIATION = 2, 3
"""Letters of the shortest word that counts as the beginning of another, and as letters of another in their order."""
_PAIRS_CACHED = 200_000
"""Pairs of words of which it is remembered whether they are alike; some 30 MB."""

ByInitial = Mapping[str, tuple[str, ...]]
"""A record's distinct words by their first character."""


def by_initial(words: Iterable[str]) -> ByInitial:
    """Return distinct words by their first character, in alphabetical order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for word in sorted(words):
        found[word[0]].append(word)
    return {initial: tuple(some) for initial, some in found.items()}


def are_alike(one: str, two: str) -> bool:
    """Say whether two different words with the same first character may be one, as the features have it.

    One begins the other ("plantat", "plantations"); the letters of one stand in the other in their order ("entmt",
    "entertainment"); or one is the other misspelt. Words with digits are alike only if the first four characters or
    more are the whole of one of them.
    """
    return _are_alike(one[:LONGEST], two[:LONGEST])  # cut before it is remembered: huge words do not stay in memory


@lru_cache(_PAIRS_CACHED)
def _are_alike(one: str, two: str) -> bool:
    one, two = sorted((one, two), key=len)
    begins = Prefix.similarity(one, two) == len(one)
    if not (one.isalpha() and two.isalpha()):
        return begins and len(one) >= SHORTEST_CODE
    if begins and len(one) >= SHORTEST_CUT:
        return True
    common = LCSseq.similarity(one, two)
    stands_in = common == len(one) and len(one) >= SHORTEST_ABBREVIATION
    return bool(stands_in or 2 * common >= TYPO * (len(one) + len(two)))
