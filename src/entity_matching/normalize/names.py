"""A name split into what distinguishes it, its legal form and the listing suffix vendors append."""

from __future__ import annotations

from typing import NamedTuple

from entity_matching.normalize.legal_forms import find_forms, split_forms
from entity_matching.normalize.listings import strip_listing
from entity_matching.normalize.text import ascii_words, normalize_words, to_ascii
from entity_matching.normalize.words import write_out

_CUT_FORMS = ("limited", "corporation", "company", "incorporated", "aktiengesellschaft", "kgaa")
_CUT_LENGTHS = range(28, 32)
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
    body, suffix = strip_listing(ascii_text)
    words = (ascii_words(body) if body is not ascii_text else text).split()
    if not words:
        return Name(text, text, "", "")
    if words[-1] == "publ" and len(words) > 1:
        words.pop()
    if len(raw) in _CUT_LENGTHS:
        words = _mend_cut(words)
    words = _drop_repeat(words)
    if words[0] == "the" and len(words) > 1:
        del words[0]
    elif words[-1] == "the" and len(words) > 1:
        words.pop()
    rest, forms = split_forms(words)
    core = write_out(rest)
    if len(core) > 1:
        core = [word for word in core if word not in _LINKS] or core
    return Name(text, " ".join(core), " ".join(forms), suffix)


def _mend_cut(words: list[str]) -> list[str]:
    """Complete a legal form that the vendor's limit of about 30 characters cut short."""
    last = words[-1]
    if len(words) > 1 and len(last) > 1:
        for form in _CUT_FORMS:
            if form.startswith(last) and last != form and last != "co":
                return [*words[:-1], form]
    return words


def _drop_repeat(words: list[str]) -> list[str]:
    """Drop a short name that repeats the legal name before it, as in ``akzo nobel nv akzo nobel``.

    The repetition may be cut anywhere by the vendor's limit on length.
    """
    for form in find_forms(words):
        if 0 < form.start and form.end < len(words):
            before = "".join(words[: form.start])
            after = "".join(words[form.end :])
            if before.startswith(after):
                return words[: form.end]
            if len(before) > 3 and after.startswith(before):
                return words[: form.end]
    for place in range(2, len(words) - 1):
        before, after = "".join(words[:place]), "".join(words[place:])
        if len(after) >= 8 and before.startswith(after):
            return words[:place]
    return words
