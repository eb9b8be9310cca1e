"""Share-class and listing suffixes that exchanges and data vendors append to a company's name.

``YEXT INC.  DL 0,001`` says that the share has a par value of 0.001 US dollar, ``NIIIO FIN.GRP AG  NA O.N.``
that it is a registered share without par value. Such words tell securities of one company apart, not
companies; they are taken off the end of the name, and the telling ones kept as the ``suffix``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

TAIL = 72
"""Suffixes are looked for in this many characters at the end of a name; the longest known need about 40."""

# Currency codes of par values as German exchanges write them: DL dollar, EO euro, LS pound, SF franc, ...
_CURRENCY = "dl|eo|e0|ls|sf|yn|yc|hd|hk|sd|sk|dk|nk|rp|rc|ad|cd|nd|zy|kc|ki|kn|uf|is|il|ba|wn|ir|dh|td|ta|sw|ap|dm|fr"
_GLUED = "dl|eo|e0|ls|hd|sk|nk|rc"
_AMOUNT = r"-?[,.]?-?\d[\d,./]*-?"

_STRONG = re.compile(
    rf"""(?:
      (?P<par>
        (?<![a-z0-9'&])(?:{_CURRENCY})[.,]?\s*{_AMOUNT}
      | (?:(?:{_GLUED}),?\s?|(?<=\s)[a-z][a-z])?-,\d[\d,.]*
      | (?:(?<=[ .]sa)|(?<=\sse)|(?<=\splc)|(?<=cl\.[abc])|(?<=inh)|(?<=[\s.]i)|(?<=/\d))(?:{_GLUED})\s?{_AMOUNT}
      | (?<=\s\s)(?:{_CURRENCY})
      | (?<![a-z0-9'&])(?:{_GLUED})\s?-
      | (?<![a-z0-9'&])o\.\s?n\.?
      | (?:(?<=\s\s)|(?<=\sna\s)|(?<=\snam\s)|(?<=\sinh\s)|(?<=[\s.]inh\.)|(?<=[\s.]inh\.\s)|(?<=\sna\.))on
      | \snpv)
    | (?P<receipt>(?:(?:\b(?:un)?sp(?:on(?:s(?:ored)?)?)?|\buns|\busp|\bun|\bs|(?<=[\s.])\d,?\d*sp)[.\s]\s?)?
        (?<=[\s./()-])(?:adr|ard|ads|gdr|gds|nvdr|sdr|bdr|edr|cdi|cufs)s?(?:(?=rc)|(?![a-z]))
        (?:[^a-z]*(?<![a-z])(?:{_CURRENCY}|rl|regs?|s|new|pfd|ii|144a|a|b|z|on|o\.n|each|repr?|ords?|r|k|nv|pf|di)(?![a-z]))*[^a-z]*)
    | (?P<ratio>(?<=[\s.])dr/\s?(?:{_CURRENCY})?\s?[\d/]+|(?<=\s)ny\s?(?:reg\.?|/)?\s?\d+)
    | (?P<depositary>\b(?:american\s|global\s|brazilian\s|chess\s)?(?:deposit[ao]ry|dep\.?)\s
        (?:receipts?|shares?|interests?|shs|sh))
    | (?P<class>\b(?:cl|class|ser|series)[.\s]\s?(?P<c0>[a-z0-9])\b(?:\s(?:shares?|shs?|common\sstock|ord))?)
    | (?P<hyphen>(?<=[a-z]{{4}})-(?P<c1>[abch])(?:\sshares?|\sshs?|\ss)?
        | (?:(?<=\sab)|(?<=\soyj)|(?<=\sabp)|(?<=/s)|(?<=\soy)|(?<=\scorp)|(?<=\splc)|(?<=\sas)|(?<=\ssa))
          \s?-\s?(?P<c2>[a-z])(?:\s+(?:shares?|shs?|s))?)
    | (?P<ord>\b(?:reit\s|stock\s|[ab]\s)?
        (?:ord(?:inary)?s?\.?\s(?:shares?|shs?|s)|common\s(?:stock|shares?|shs?)|ord|shs)\.?
        (?:\s?npv|\sno\spar\svalue)?)
    | (?P<nom>\b(?:registered\s(?:shares?|shs)|(?:act\.?\s?)?nom\.?|nam\.|namens-?(?:aktien|akt\.?)|regs
        |reg\.?\ss(?:hs|hares?)?|vna))
    | (?P<inh>\b(?:bearer\s(?:shares?|shs)|inh\.?(?:(?:\s|(?<=\.))(?P<c3>[a-z])\.?)?
        |inhaber-?(?:aktien|akt\.?)|act?\.\s?port\.?))
    | (?P<pref>\b(?:vzo?\.?|vorzugsaktien|prefs?|pfd(?:\s?(?:[a-z]|\d\d?))?
        |preferred\s(?:stock|shares?)|preference\sshares?))
    | (?P<sub>\(?\b(?:sub(?:ord(?:inate)?)?\.?\s?(?:vtg|vt|voting)\.?(?:\s?(?:shares?|shs?)\.?)?|subd(?:iv)?\.|n\.\s?vtg
        |non-?voting|sb\svt\.?)\)?)
    | (?P<new>\(new\)|(?<=\s)act\.\s?nouv\.?)
    | (?P<foreign>-\s?(?:fgn|foreign|for|loc)\.?-?|(?<=[\s-])(?:fgn|foreign))
    | (?P<note>\bcert\.?\sof\sshs|-\s?(?:nvdr|auc|cci|regr)-?|\(?post\scons\.?\)?|\(?\bconv(?:\.|ersion)?\)
        |(?:sb\s)?vt\.\s?wh\.\s?iss\.?|wh\.\s?iss\.?
        |(?<=\s)144a|\(cdi?\)?|\(di\)?|\(p\.?s?\.?\)|(?<=\s)p\.s\.|\(bl\s?\d+\)?|\(b\.l\.\)?|\(demat\.?\)|\(?\bfria\)?
        |(?<=\s[ab]\s)fr\.?|(?<=\.[ab]\s)fr\.?|(?<=\ssa\s)compartment\s[a-z]|(?<=\ss\.a\.\s)compartment\s[a-z])
    )$""",
    re.VERBOSE,
)
# What is plain only once something else was taken off behind it.
_AFTER = re.compile(
    r"""(?:
      (?P<nom>\b(?:na|nam|nom|regs?|n)\.?)
    | (?P<inh>(?<=inds)inh\.?)
    | (?P<stock>\b(?:sto?|ord)\.?)
    | (?P<letter>(?:(?<=\s)|(?<=[a-z]{2}\.))(?P<c0>[abhz])\.?)
    | (?P<new>(?<=[\s.-])new\.?)
    | (?P<sub>(?<=\s)sv)
    | (?P<note>(?<=\s)(?:wi|act|cons|ia|br|akt|cpo)\.?|\s?/\s?\d[\d/,.]*)
    | (?P<pref>\b(?:pref|vz)\.?)
    )$""",
    re.VERBOSE,
)
# What is plain after a legal form, or after the gap that vendors leave before the suffix.
_AFTER_FORM = re.compile(
    r"""(?:(?<=\sinc[.\s])|(?<=\sinc\.\s)|(?<=\sltd[.\s])|(?<=\sltd\.\s)|(?<=\scorp[.\s])|(?<=\scorp\.\s)|(?<=\splc\s)|(?<=\sco\.\s)
    |(?<=\sag\s)|(?<=\sab\s)|(?<=\soyj\s)|(?<=\soy\s)|(?<=\sasa\s)|(?<=\sa/s\s)|(?<=\ssa\s)|(?<=\slimited\s)|(?<=\s\s))
    (?P<letter>(?P<c0>[abh]))$""",
    re.VERBOSE,
)
# What is plain in a vendor's line in capitals, which is cut to a few words.
_CAPITALS = re.compile(
    r"""(?:
      (?P<par>(?<=\s)on|(?<=[\s.])(?:dl|eo|hd))
    | (?P<letter>(?:(?<!fund\s)(?<!trust\s)(?<!acquisition\s)(?<!capital\s)(?<!series\s)(?<=\s)|(?<=[a-z]{2}\.))
        (?P<c0>[abh]))
    | (?P<nom>(?:(?<=\sag\s)|(?<=\sse\s)|(?<=\skgaa\s)|(?<=\sag\s\s))na|(?<=\sst\.\s)na\.)
    | (?P<stock>(?<=\sag\s)st)
    | (?P<new>(?<=[\s-])new)
    | (?P<sub>(?<=\s)sv)
    | (?P<note>(?<=\s)(?:auc|uts?|akt\.?))
    )$""",
    re.VERBOSE,
)
_TRIM = " ,;:.-/("
_SEPARATORS = re.compile(r"[^a-z0-9]+")
# No suffix ends otherwise than in one of these words, a lone letter, or a figure.
_LAST_WORDS = frozenset(
    f"{_CURRENCY}|on|npv|adr|adrs|ard|ads|gdr|gdrs|gds|nvdr|sdr|bdr|edr|cdi|cufs|regs|reg|new|pfd|ii|144a|each|repr|rep|ord|ords"
    "|nv|pf|di|cd|receipt|receipts|share|shares|interest|interests|shs|sh|stock|value|nom|nam|aktien|akt|inh|port|vz|vzo"
    "|vorzugsaktien|pref|prefs|vtg|vt|voting|subd|subdiv|nouv|fgn|foreign|for|loc|auc|cci|regr|cons|conv|conversion|iss"
    "|bl|demat|fria|fr|vna|na|st|sv|ut|uts|ps".split("|")
)
_WORDS = {"ord": "ord", "stock": "ord", "depositary": "adr", "nom": "nom", "inh": "inh", "pref": "pref", "sub": "sub",
          "new": "new", "foreign": "foreign"}  # fmt: skip
_RECEIPT = re.compile(r"gdr|gds|nvdr|sdr|bdr|edr|cdi")
_EURO = re.compile(r"^\s*e[o0]")


def strip_listing(text: str, *, capitals: bool = False) -> tuple[str, str]:
    """Take share-class and listing suffixes off a name.

    :param text: the name as lower-case ASCII with its punctuation (see ``text.to_ascii``).
    :param capitals: whether the name came in capitals only, as vendors' lines do; less plain patterns such as
        a lone ``A`` at the end then count too.
    :return: the name without them, and the canonical suffix words in the order they stood
        (``cl a``, ``adr``, ``nom``, ``inh``, ``pref``, ``ord``, ``sub``, ``new``); par values leave no word.
        A name that is nothing but such words is returned as it is, with no suffix.
    """
    head, tail = text[:-TAIL], text[-TAIL:].rstrip()
    if not _may_end_in_suffix(tail):
        return text, ""
    found: list[str] = []
    stripped = euro = False
    while (match := _next(tail, stripped=stripped, euro=euro, capitals=capitals)) is not None:
        before = tail[: match.start()].rstrip()
        rest = before.rstrip(_TRIM)
        if not head and not any(map(str.isalnum, rest)):
            break
        found.extend(word for word in _canonical(match) if word not in found)
        tail = rest + "." if before.endswith(".") else rest
        euro = _EURO.match(match.group()) is not None
        stripped = True
    return (head + tail, " ".join(reversed(found))) if stripped else (text, "")


def _may_end_in_suffix(tail: str) -> bool:
    """Tell cheaply whether the longer patterns are worth a try."""
    words = _SEPARATORS.split(tail.rstrip(" ,;:.-/()").rpartition(" ")[2])
    last = words[-1]
    return len(last) == 1 or last in _LAST_WORDS or last[-1:].isdigit() or tail[-1:] in ("-", "/")


def _next(tail: str, *, stripped: bool, euro: bool, capitals: bool) -> re.Match[str] | None:
    match = _STRONG.search(tail) or _AFTER_FORM.search(tail)
    if match is None and stripped:
        match = _AFTER.search(tail)
        if match is None and euro:
            match = _BEARER.search(tail)
    if match is None and capitals:
        match = _CAPITALS.search(tail)
    return match


_BEARER = re.compile(r"(?P<inh>\bin\.?)$")


def _canonical(match: re.Match[str]) -> Iterator[str]:
    """Yield the canonical words of a suffix, last first."""
    kind = match.lastgroup or ""
    groups = match.groupdict()
    letter = next((groups[name] for name in ("c0", "c1", "c2", "c3") if groups.get(name)), None)
    if letter is not None:
        yield f"cl {letter}"
    if kind == "receipt":
        named = _RECEIPT.search(match.group())
        yield (named.group() if named else "adr").replace("gds", "gdr")
    elif kind in _WORDS:
        yield _WORDS[kind]
