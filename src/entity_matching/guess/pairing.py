"""Which column of the source holds the same as which column of the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from entity_matching.guess.concepts import BOOKKEEPING, Called

Pair = tuple[Called, Called]


def pair_columns(source: Sequence[Called], reference: Sequence[Called]) -> list[Pair]:
    """Pair the columns of two tables: same name, same words, same concept.

    :param source: columns of the source but its key.
    :param reference: columns of the reference but its key.
    :return: the pairs in the source's order; each column is in one pair at most.
    """
    left = [called for called in source if not called.is_a(BOOKKEEPING)]
    right = [called for called in reference if not called.is_a(BOOKKEEPING)]
    found: list[Pair] = []
    for same in (_same_column, _same_words, _same_concept_exactly, _same_concept):
        _take(left, right, same, found)
    if not found and (len(left) == 1 or len(right) == 1):
        found = _only(left, right)
    order = {called.column: place for place, called in enumerate(source)}
    return sorted(found, key=lambda pair: order[pair[0].column])


def _take(left: list[Called], right: list[Called], same: Callable[[Called, Called], bool], found: list[Pair]) -> None:
    for one in list(left):
        other = next((called for called in right if same(one, called)), None)
        if other is not None:
            found.append((one, other))
            left.remove(one)
            right.remove(other)


def _same_column(one: Called, other: Called) -> bool:
    return one.column == other.column


def _same_words(one: Called, other: Called) -> bool:
    return one.glued == other.glued


def _same_concept_exactly(one: Called, other: Called) -> bool:
    return (one.exact or other.exact) and _same_concept(one, other)


def _same_concept(one: Called, other: Called) -> bool:
    return one.concept is not None and one.concept == other.concept


def _only(left: list[Called], right: list[Called]) -> list[Pair]:
    """Pair the only column of a table with the one that is most likely the other's name."""
    if len(left) == 1 == len(right):
        return [(left[0], right[0])]
    names = [called for called in (right if len(left) == 1 else left) if called.is_a("name") or called.is_a("title")]
    if not names:
        return []
    best = min(names, key=lambda called: not called.exact)
    return [(left[0], best)] if len(left) == 1 else [(best, right[0])]
