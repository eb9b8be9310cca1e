"""Legal forms of companies: found in a name, brought to one spelling, and told apart from its other words.

The data file gives the forms of the world's larger economies, and cleanco's lists add what they have beyond it.
Forms are kept, never just dropped: an AG and a GmbH of one name are two companies.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import yaml

from entity_matching.normalize.text import normalize_words

# Forms, or their first words, that stand before the name in their country.
_LEADING = frozenset(
    "cjsc cong ctcp godo jsc jusighoesa jusik kabushiki kk oao obshchestvo ojsc ooo otkrytoe pao perseroan pjsc prat "
    "publichnoe pt tnhh tov tovaristvo uab yugen zakrytoe zao zhushihuishe".split()
)
_MIDDLE = frozenset("ag asa co corp inc ltd nv oyj plc tbk".split())
# Such a word ties a form to what follows: "Corporation of India", "Company for Trade".
_CONNECTORS = frozenset("of for de di del du da y and".split())
_SHORTEST_ADDED = 4
"""Letters a form from cleanco must have: its shorter ones are codes and everyday words elsewhere ("et", "uk")."""
_EVERYDAY = frozenset({"and company", "coop", "etat", "koop", "private", "secs", "unlimited"})


class Form(NamedTuple):
    """A legal form at words ``start`` to ``end`` (not included) of a name."""

    start: int
    end: int
    name: str


_Phrases = dict[str, tuple[tuple[list[str], str], ...]]


@cache
def _phrases() -> _Phrases:
    """Return, by first word, the phrases that are forms, longest first, each with its canonical form.

    :raises ValueError: if the data file gives one spelling two meanings.
    """
    text = resources.files(__package__).joinpath("data/legal_forms.yml").read_text(encoding="utf-8")
    known: dict[str, str] = {}
    for canonical, spellings in yaml.safe_load(text).items():
        for phrase in spellings:
            if known.setdefault(phrase, canonical) != canonical:
                raise ValueError(f"legal_forms.yml: '{phrase}' stands for '{known[phrase]}' and '{canonical}'")
    for phrase in _cleanco_terms():
        known.setdefault(phrase, phrase.replace(" ", ""))
    by_first: dict[str, list[tuple[list[str], str]]] = {}
    for phrase, canonical in known.items():
        words = phrase.split()
        by_first.setdefault(words[0], []).append((words, canonical))
    return {first: tuple(sorted(found, key=lambda item: -len(item[0]))) for first, found in by_first.items()}


def _cleanco_terms() -> set[str]:
    from cleanco.termdata import terms_by_country, terms_by_type  # noqa: PLC0415 - only read once, with the file

    lists = (*terms_by_type.values(), *terms_by_country.values())
    terms = {normalize_words(term) for found in lists for term in found if term.isprintable()}
    return {term for term in terms if len(term.replace(" ", "")) >= _SHORTEST_ADDED} - _EVERYDAY


def find_forms(words: list[str]) -> list[Form]:
    """Return every legal form among the words of a name, in the order they stand; they do not overlap.

    :param words: ASCII lower-case words.
    """
    phrases = _phrases()
    found: list[Form] = []
    end = 0
    for position, word in enumerate(words):
        if position >= end and word in phrases:
            for phrase, canonical in phrases[word]:
                end = position + len(phrase)
                if words[position:end] == phrase:
                    found.append(Form(position, end, canonical))
                    break
            else:
                end = position
    return found


def split_forms(words: list[str], forms: list[Form]) -> tuple[list[str], list[str]]:
    """Split the words of a name into those that are no legal form, and the canonical legal forms.

    A form counts at the end of the name; before its end only if it is unmistakable (more than three letters)
    and neither after nor before ``of``; at the start only if its country writes it there. Lone letters after a
    lone letter are none (``u s a``). A name that is nothing but forms is left whole.

    :param forms: what :func:`find_forms` gave for these words.
    """
    if not forms:
        return words, []
    end = len(words)
    kept: list[Form] = []
    for form in reversed(forms):
        at_end = form.end == end
        if _counts(words, form, at_end=at_end):
            kept.append(form)
            if at_end:
                end = form.start
    kept.reverse()
    if kept and kept[0].start >= end:
        return words[:end], [form.name for form in kept]
    drop = {place for form in kept for place in range(form.start, form.end)}
    rest = [word for place, word in enumerate(words) if place not in drop]
    return (rest, [form.name for form in kept]) if rest else (words, [])


def _counts(words: list[str], form: Form, *, at_end: bool) -> bool:
    first = words[form.start]
    if form.start == 0:
        # Two letters before a name of one word ("PT Power") may well belong to it.
        return first in _LEADING and len(words) > form.end + (len(first) <= 2)
    before = words[form.start - 1]
    if before in ("of", "for") or len(first) == len(before) == 1:
        return False
    if at_end:
        return True
    if words[form.end] in _CONNECTORS:
        return False
    return first in _MIDDLE or sum(map(len, words[form.start : form.end])) > 3
