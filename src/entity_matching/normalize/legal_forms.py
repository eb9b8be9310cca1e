"""Legal forms of companies: found in a name, brought to one spelling, and told apart from its other words.

rigour's list of organisation types gives the canonical forms; the data file adds what it lacks once a name has
been reduced to ASCII words. Forms are kept, never just dropped: an AG and a GmbH of one name are two companies.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import NamedTuple

import yaml
from rigour.names import extract_org_types

LEADING = frozenset({"pt", "pjsc", "pao", "ooo", "oao", "zao", "uab", "kk", "kabushiki"})
"""Forms that stand before the name in their country."""

_WEAK_LENGTH = 3
_NOT_A_FORM = frozenset({"na", "group", "holding", "holdings", "bank", "trust", "va", "it", "verein", "stiftung"})
_NON_WORD = re.compile(r"[^a-z0-9]+")
# What comes after these inside a name belongs to it: "Corporation of India", "Company for Trade".
_CONNECTORS = frozenset({"of", "for", "de", "di", "del", "du", "da", "y", "and"})
_CUT_FORMS = ("limited", "corporation", "company", "incorporated", "aktiengesellschaft", "public limited company")


class Form(NamedTuple):
    """A legal form at words ``start`` to ``end`` (not included) of a name."""

    start: int
    end: int
    name: str


@cache
def _own_forms() -> dict[str, tuple[tuple[tuple[str, ...], str], ...]]:
    """Return, by first word, the phrases the data file lists, longest first, each with its canonical form."""
    text = resources.files(__package__).joinpath("data/legal_forms.yml").read_text(encoding="utf-8")
    by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for canonical, phrases in yaml.safe_load(text).items():
        for phrase in phrases:
            words = tuple(phrase.split())
            by_first.setdefault(words[0], []).append((words, canonical))
    return {first: tuple(sorted(found, key=lambda item: -len(item[0]))) for first, found in by_first.items()}


def find_forms(words: list[str]) -> list[Form]:
    """Return every legal form among the words of a name, in the order they stand; they do not overlap.

    :param words: ASCII lower-case words.
    """
    own = _own_forms()
    found: list[Form] = []
    position = 0
    while position < len(words):
        form = _own_at(words, position, own)
        if form is not None:
            found.append(form)
            position = form.end
        else:
            position += 1
    taken = {place for form in found for place in range(form.start, form.end)}
    for matched, target in extract_org_types(" ".join(words)):
        form = _locate(words, matched.split(), target, taken)
        if form is not None:
            found.append(form)
            taken.update(range(form.start, form.end))
    found.sort()
    return found


def _own_at(words: list[str], position: int, own: dict[str, tuple[tuple[tuple[str, ...], str], ...]]) -> Form | None:
    for phrase, canonical in own.get(words[position], ()):
        end = position + len(phrase)
        if tuple(words[position:end]) == phrase:
            return Form(position, end, canonical)
    return None


def _locate(words: list[str], phrase: list[str], target: str, taken: set[int]) -> Form | None:
    if len(phrase) == 1 and phrase[0] in _NOT_A_FORM:
        return None
    size = len(phrase)
    for start in range(len(words) - size + 1):
        if (
            words[start] == phrase[0]
            and words[start : start + size] == phrase
            and taken.isdisjoint(range(start, start + size))
        ):
            return Form(start, start + size, _NON_WORD.sub("", target))
    return None


def split_forms(words: list[str]) -> tuple[list[str], list[str]]:
    """Split the words of a name into those that are no legal form, and the canonical legal forms.

    A form counts at the end of the name; before its end only if it is unmistakable (more than three letters
    or several words) and no ``of`` follows; at the start only if its country writes it there. A name that is
    nothing but forms is left whole.
    """
    forms = find_forms(words)
    if not forms:
        return words, []
    end = len(words)
    kept: list[Form] = []
    for form in reversed(forms):
        at_end = form.end == end
        if at_end:
            end = form.start
        if form.start == 0:
            counts = words[0] in LEADING and len(words) > form.end + 1
        elif at_end:
            counts = True
        else:
            counts = _unmistakable(words, form)
        if counts:
            kept.append(form)
    kept.reverse()
    drop = {place for form in kept for place in range(form.start, form.end)}
    rest = [word for place, word in enumerate(words) if place not in drop]
    return (rest, [form.name for form in kept]) if rest else (words, [])


def _unmistakable(words: list[str], form: Form) -> bool:
    if form.end < len(words) and words[form.end] in _CONNECTORS:
        return False
    return (
        form.end - form.start > 1 or len(words[form.start]) > _WEAK_LENGTH or words[form.start] in {"inc", "ltd", "plc"}
    )
