"""Share-class and listing suffixes that exchanges and data vendors append to a company's name.

``YEXT INC.  DL 0,001`` says that the share has a par value of 0.001 US dollar, ``NIIIO FIN.GRP AG  NA O.N.``
that it is a registered share without par value. Such words tell securities of one company apart, not
companies; they are taken off the end of the name, and the telling ones kept as the ``suffix``.
"""

from __future__ import annotations

import re

TAIL = 72
"""Suffixes are looked for in this many characters at the end of a name; the longest known need about 40."""

# Currency codes of par values as German exchanges write them: DL dollar, EO euro, LS pound, SF franc, ...
_CURRENCY = "dl|eo|e0|ls|sf|yn|yc|hd|sd|sk|dk|nk|rp|rc|ad|cd|nd|zy|kc|uf|is|ba|wn|ir|dh|td|mp|re|rl|pp|kr|ik|tn"
_AMOUNT = r"(?:,?-?[,.]\d[\d,.]*|,?-\d[\d,.]*|\d[\d,./]*(?:,-)?)"
_START = r"(?:(?<![a-z0-9'&])|(?<=[ .]sa)|(?<= se)|(?<= plc)|(?<=cl\.[abc])|(?<=\.inh)|(?<= i))"
_LETTER = "[a-hk-mq-tvx-z]"

_PAR = rf"""
      {_START}(?:{_CURRENCY})\s*{_AMOUNT}
    | (?<=[a-z])(?:dl|eo|ls|hd|sk|nk|rc)\s?,?-,\d[\d,.]*
    | (?<=\s\s)(?:{_CURRENCY})(?:\s?-)?
    | (?<![a-z0-9'&])(?:dl|eo|ls|hd)\s?-
    | (?<![a-z0-9'&])o\.\s?n\.?
    | (?:(?<=\s\s)|(?<=\sna\s)|(?<=\snam\s)|(?<=\sinh\s)|(?<=inh\.)|(?<=inh\.\s)|(?<=na\.))on
    | \snpv
"""

_ALWAYS = re.compile(
    rf"""(?:
      (?P<par>{_PAR})
    | (?P<dr>(?<![a-z0-9])(?:(?:un)?sp(?:on(?:s(?:ored)?)?)?[. ]\s?|s\.)?(?:\(?sp\.)?
        (?P<drkind>adr|ads|gdr|gds|nvdr|bdr|edr|dr|cdi)s?\)?
        (?:\s(?:regs?|144a|new|[ab]))?(?:\s?/\s?\d[\d/,.]*|\s?\d[\d/,.]*)?)
    | (?P<dr2>(?<![a-z0-9])(?:american\s|global\s|brazilian\s|chess\s)?
        (?:deposit[ao]ry|dep\.?)\s(?:receipts?|shares?|interests?|shs|sh)(?:\s\(adrs?\))?)
    | (?P<cl>(?<![a-z0-9])(?:cl|class|ser|series)[. ]\s?(?P<clletter>{_LETTER})(?:\s(?:shares?|shs|common\sstock|ord))?)
    | (?P<hyphen>(?<=[a-z]{{4}})-(?P<hyphenletter>[abch])(?:\sshares?|\ssh)?|
        (?<=/s)-(?P<slashletter>[abc])(?:\sshares?)?|(?<=\soyj)-(?P<oyjletter>[abc])(?:\sshares?|\ssh)?|
        (?<=\sabp)-(?P<abpletter>[abc])(?:\sshares?|\ssh)?)
    | (?P<ord>(?<![a-z0-9])(?:reit\s|stock\s|[ab]\s)?(?:ord(?:inary)?s?\s(?:shares?|shs?|s)|common\s(?:stock|shares?|sh)
        |ord|shs)(?:\s(?:npv|no\spar\svalue))?(?:\s?\(?(?:cdi|di)\)?)?)
    | (?P<nom>(?<![a-z0-9])(?:registered\s(?:shares?|shs)|(?:act\.?\s?)?nom\.?|nam\.|namens-?(?:aktien|akt\.?)
        |regs|reg\.?\ss(?:hs|hares?)?))
    | (?P<inh>(?<![a-z0-9])(?:bearer\s(?:shares?|shs)|inh\.|inhaber-?(?:aktien|akt\.?)|act?\.\s?port\.?))
    | (?P<pref>(?<![a-z0-9])(?:vzo?\.?|vorzugsaktien|prefs?|pfd|preferred\s(?:stock|shares?)|preference\sshares?))
    | (?P<sub>(?<![a-z0-9])(?:sub(?:ord(?:inate)?)?\.?\s?(?:vtg|vt|voting)\.?(?:\s?(?:shares?|shs?)\.?)?|n\.\s?vtg|non-?voting
        |sb\svt\.?))
    | (?P<new>\(new\)|(?<=\s)act\.nouv\.?)
    | (?P<note>-(?:fgn|foreign|for|nvdr)-|\(?post\scons\.?\)?|(?:sb\s)?vt\.wh\.iss\.?|wh\.\s?iss\.?|(?<=\s)144a|\(cdi?|\(p\.s\.\)
        |(?<=\s)p\.s\.)
    )$""",
    re.VERBOSE,
)
_AFTER = re.compile(
    rf"""(?:
      (?P<nom>(?<![a-z0-9])(?:na|nam|nom|reg|regs|n)\.?)
    | (?P<inh>(?<![a-z0-9])(?:inh?)\.?|(?<=inds)inh\.?)
    | (?P<st>(?<![a-z0-9])(?:sto?|ord)\.?)
    | (?P<letter>(?<![a-z0-9+&])(?P<letterof>[abch])\.?)
    | (?P<new>(?<![a-z0-9])new\.?)
    | (?P<note>(?<![a-z0-9])(?:wi|act|jge|cons))\.?
    | (?P<pref>(?<![a-z0-9])(?:pref|vz)\.?)
    )$""",
    re.VERBOSE,
)
_AFTER_FORM = re.compile(
    r"(?:(?<=\sinc[. ])|(?<=\sinc\.\s)|(?<=\sltd[. ])|(?<=\sltd\.\s)|(?<=\scorp[. ])|(?<=\scorp\.\s)|(?<=\splc\s)|(?<=\sco\.\s)"
    r"|(?<=\sag\s)|(?<=\sab\s)|(?<=\soyj\s)|(?<=\soy\s)|(?<=\sasa\s)|(?<=\sa/s\s)|(?<=\ssa\s)|(?<=\slimited\s)|(?<=\s\s))"
    r"(?P<letter>[abh])$"
)
_TRIM = " ,;:.-/"
_CANONICAL = {
    "ord": "ord",
    "st": "ord",
    "dr2": "adr",
    "nom": "nom",
    "inh": "inh",
    "pref": "pref",
    "sub": "sub",
    "new": "new",
}
_RECEIPTS = {"ads": "adr", "gds": "gdr"}


def strip_listing(text: str) -> tuple[str, str]:
    """Take share-class and listing suffixes off a name.

    :param text: the name as lower-case ASCII with its punctuation (see ``text.to_ascii``).
    :return: the name without them, and the canonical suffix words in the order they stood
        (``cl a``, ``adr``, ``nom``, ``inh``, ``pref``, ``ord``, ``sub``, ``new``); par values leave no word.
        A name that is nothing but such words is returned whole, with no suffix.
    """
    head, tail = text[:-TAIL], text[-TAIL:].rstrip()
    found: list[str] = []
    stripped = False
    while True:
        match = _ALWAYS.search(tail) or _AFTER_FORM.search(tail) or (_AFTER.search(tail) if stripped else None)
        if match is None:
            break
        rest = tail[: match.start()].rstrip(_TRIM)
        if not head and not any(map(str.isalnum, rest)):
            break
        word = _canonical(match)
        if word and word not in found:
            found.append(word)
        keeps_dot = tail[: match.start()].rstrip()
        tail = rest + ("." if keeps_dot.endswith(".") else "")
        stripped = True
    return (head + tail, " ".join(reversed(found))) if stripped else (text, "")


def _canonical(match: re.Match[str]) -> str:
    groups = match.groupdict()
    if groups.get("drkind"):
        return _RECEIPTS.get(groups["drkind"], groups["drkind"])
    for name in ("clletter", "hyphenletter", "slashletter", "oyjletter", "abpletter", "letterof"):
        if groups.get(name):
            return f"cl {groups[name]}"
    if groups.get("letter"):
        return f"cl {groups['letter']}"
    return next((word for name, word in _CANONICAL.items() if groups.get(name)), "")
