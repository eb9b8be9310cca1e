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

_LEADING = frozenset({"pt", "pjsc", "pao", "ooo", "oao", "zao", "uab", "kk"})
"""Forms that stand before the name in their country."""

# rigour also knows forms that are everyday words or codes in other countries ("in", "is", "at", "secs").
_SHORT_FORMS = frozenset(
    "ad ae ag ao aps as bhd bv cic cv cva dd doo ehf epe ev eg eurl gbr ges gk hf ike jsc kb kda kft kg kk ks lda llc "
    "llp lp ltd mbh na nl nv oao oe og ohg ood ooo oy oyj pao plc pt pte pty sa sad sal sarl sas sau sca scs se sia "
    "sl snc spa spl srl sro srs tov ua uab ug zao".split()
)
_NOT_FORMS = frozenset("bank group holding holdings secs trust stiftung verein".split())
_MIDDLE = frozenset("ag asa co corp inc ltd nv oyj plc tbk".split())
_NON_WORD = re.compile(r"[^a-z0-9]+")
# Such a word ties a form to what follows: "Corporation of India", "Company for Trade".
_CONNECTORS = frozenset("of for de di del du da y and".split())


class Form(NamedTuple):
    """A legal form at words ``start`` to ``end`` (not included) of a name."""

    start: int
    end: int
    name: str


_Phrases = dict[str, tuple[tuple[list[str], str], ...]]


@cache
def _own_forms() -> _Phrases:
    """Return, by first word, the phrases the data file lists, longest first, each with its canonical form."""
    text = resources.files(__package__).joinpath("data/legal_forms.yml").read_text(encoding="utf-8")
    by_first: dict[str, list[tuple[list[str], str]]] = {}
    for canonical, phrases in yaml.safe_load(text).items():
        for phrase in phrases:
            words = phrase.split()
            by_first.setdefault(words[0], []).append((words, canonical))
    return {first: tuple(sorted(found, key=lambda item: -len(item[0]))) for first, found in by_first.items()}


def find_forms(words: list[str]) -> list[Form]:
    """Return every legal form among the words of a name, in the order they stand; they do not overlap.

    :param words: ASCII lower-case words.
    """
    own = _own_forms()
    found: list[Form] = []
    end = 0
    for position, word in enumerate(words):
        if position >= end and word in own:
            form = _own_at(words, position, own)
            if form is not None:
                found.append(form)
                end = form.end
    known = extract_org_types(" ".join(words))
    names = {form.name for form in found}
    if len(known) > len(found) or any(_NON_WORD.sub("", target) not in names for _, target in known):
        return _add_known(words, found, known)
    return found


def _own_at(words: list[str], position: int, own: _Phrases) -> Form | None:
    for phrase, canonical in own[words[position]]:
        end = position + len(phrase)
        if words[position:end] == phrase:
            return Form(position, end, canonical)
    return None


def _add_known(words: list[str], found: list[Form], known: list[tuple[str, str]]) -> list[Form]:
    """Add rigour's forms, which come in the order they stand, where none of ours is."""
    taken = {place for form in found for place in range(form.start, form.end)}
    added = list(found)
    position = 0
    for matched, target in known:
        phrase = matched.split()
        size = len(phrase)
        start = position
        while start + size <= len(words) and words[start : start + size] != phrase:
            start += 1
        if start + size > len(words):
            continue
        position = start + size
        if taken.isdisjoint(range(start, position)) and _is_form(phrase):
            added.append(Form(start, position, _NON_WORD.sub("", target)))
    added.sort()
    return added


def _is_form(phrase: list[str]) -> bool:
    if len(phrase) > 1:
        return True
    word = phrase[0]
    return word in _SHORT_FORMS if len(word) <= 3 else word not in _NOT_FORMS


def split_forms(words: list[str], forms: list[Form]) -> tuple[list[str], list[str]]:
    """Split the words of a name into those that are no legal form, and the canonical legal forms.

    A form counts at the end of the name; before its end only if it is unmistakable (more than three letters
    or several words) and neither after nor before ``of``; at the start only if its country writes it there. A
    name that is nothing but forms is left whole.

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
    if form.start == 0:
        return words[0] in _LEADING and len(words) > form.end + 1
    if words[form.start - 1] in ("of", "for"):
        return False
    if at_end:
        return True
    if words[form.end] in _CONNECTORS:
        return False
    return form.end - form.start > 1 or len(words[form.start]) > 3 or words[form.start] in _MIDDLE
