"""A name split into what distinguishes it, its legal form and the listing suffix vendors append."""

from __future__ import annotations

from typing import NamedTuple

from entity_matching.normalize.legal_forms import find_forms, split_forms
from entity_matching.normalize.listings import strip_listing
from entity_matching.normalize.text import ascii_words, normalize_words, to_ascii
from entity_matching.normalize.words import write_out

_CUT_FORMS = {
    "public limited company": "public", "limited": "l", "corporation": "corpo", "company": "comp",
    "incorporated": "inco", "aktiengesellschaft": "akti", "kgaa": "kga",
}  # fmt: skip
_CUT_LENGTHS = range(28, 32)
"""Lengths at which vendors cut names (28 in Cairo, 30 in Mumbai, 31 in London, less a space at the end)."""
_REPEAT_LENGTH = 48
"""Only a line at most this long is searched for a short name after the legal one; vendors' lines have 31."""
_SINGLE_WORDS = frozenset("aey")
"""Letters that are a word of their own somewhere: English "a", Italian and Portuguese "e", Spanish "y"."""
_LINKS = frozenset({"and", "und", "et"})


class Name(NamedTuple):
    """The parts of a name; see :mod:`entity_matching.records` for what each holds."""

    text: str
    core: str
    form: str
    suffix: str


def normalize_name(raw: str) -> Name:
    """Split a name into its parts; ``core`` is never empty unless ``text`` is.

    :param raw: the name as it came, in any script.
    """
    ascii_text = to_ascii(raw)
    text = ascii_words(ascii_text)
    if not text:
        text = normalize_words(raw)
        return Name(text, text, "", "")
    capitals = raw.isupper()
    body, suffix = strip_listing(ascii_text, capitals=capitals)
    listed = body is not ascii_text
    words = (ascii_words(body) if listed else text).split()
    if not words:
        return Name(text, text, "", "")
    if len(words) > 1:
        words = _tidy_ends(words, cut=len(raw) in _CUT_LENGTHS, listed=listed)
    forms = find_forms(words)
    if len(raw) <= _REPEAT_LENGTH and len(words) > 2:
        kept = _without_repeat(words, [form.start for form in forms], cut=capitals and len(raw) in _CUT_LENGTHS)
        if kept < len(words):
            words = words[:kept]
            forms = [form for form in forms if form.end <= kept]
    rest, found = split_forms(words, forms)
    core = write_out(rest)
    if len(core) > 1:
        core = _joined_letters([word for word in core if word not in _LINKS] or core)
    return Name(text, " ".join(core), " ".join(found), suffix)


def _tidy_ends(words: list[str], *, cut: bool, listed: bool) -> list[str]:
    """Return the words without an article at either end, a cut legal form at the end completed."""
    if words[-1] == "publ" and words[-2] != "ab":
        words = words[:-1]
    if listed and words[-1] in ("i", "in"):
        words = [*words[:-1], "inc"]
    elif cut:
        words = _mend_cut(words)
    if len(words) > 1 and words[0] == "the":
        return words[1:]
    return words[:-1] if len(words) > 1 and words[-1] == "the" else words


def _mend_cut(words: list[str]) -> list[str]:
    """Complete a legal form that the vendor's limit of about 30 characters cut short; drop a lone letter."""
    last = words[-1]
    for form, shortest in _CUT_FORMS.items():
        if form.startswith(last) and last.startswith(shortest) and last != form:
            return [*words[:-1], *form.split()]
    return words[:-1] if len(last) == 1 and last.isalpha() and last not in "ivx" else words


def _without_repeat(words: list[str], form_starts: list[int], *, cut: bool) -> int:
    """Return how many words are left without a short name that repeats the legal name before it.

    London's lines hold both: ``akzo nobel nv akzo nobel``. The repetition may be cut anywhere; in a cut line
    it is also known by its first letter alone, as in ``oesterreichische post ag osterr``.
    """
    for start in form_starts:
        end = start + 1
        if 0 < start and end < len(words):
            before, after = "".join(words[:start]), "".join(words[end:])
            if before.startswith(after) or (len(before) > 3 and after.startswith(before)):
                return end
            if cut and len(words[start]) <= 4 and before[0] == after[0]:
                return end
    for place in range(2, len(words) - 1):
        before, after = "".join(words[:place]), "".join(words[place:])
        if len(after) >= 8 and before.startswith(after):
            return place
    return len(words)


def _joined_letters(words: list[str]) -> list[str]:
    """Join lone letters that stand together: ``h m hennes`` and ``hm hennes`` are one name."""
    if not any(len(word) == 1 for word in words):
        return words
    result: list[str] = []
    letters = ""
    for word in words:
        if len(word) == 1 and word.isalpha() and (letters or not result or word not in _SINGLE_WORDS):
            letters += word
            continue
        if letters:
            result.append(letters)
            letters = ""
        result.append(word)
    return [*result, letters] if letters else result
