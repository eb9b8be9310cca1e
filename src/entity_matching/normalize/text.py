"""Any text to lower-case ASCII words with single spaces between them.

Two spellings of one thing should end as one string, whatever script, case, width or punctuation they were
typed in. Every step is linear in the length of the text, so that a huge cell costs time but never hangs.
"""

from __future__ import annotations

import html
import itertools
import re
import unicodedata

from anyascii import anyascii

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Me"})
_SHOWN = 8
"""So many characters stand for a text of symbols that have no transliteration."""
_APOSTROPHES = "'`"
_KEPT = ".&+/-"
_MARKS = dict.fromkeys(map(ord, "®™©℠"), " ")
_POSSESSIVE = re.compile(r"\s'(?=s(?![a-z0-9]))")
_INITIALS = re.compile(r"(?<![a-z0-9])[a-z]\.(?:(?: ?[a-z]\.)+(?:[a-z](?![a-z0-9]))?|[a-z](?![a-z0-9]))")
_SLASHED_FORM = re.compile(r"(?<![a-z0-9])([akips])/([sa])(?![a-z0-9])")
_AND = re.compile(r"(?<=[a-z0-9. ])[&+](?=[ a-z0-9])")
_PLUS_AT_END = re.compile(r"(?<=[a-z0-9])\+(?=\s|$)")
_DECIMAL = re.compile(r"(?<=\d)\.(?=\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d\d\d(?!\d))")
_CODE = re.compile(r"(?<![a-z0-9])[a-z0-9]++(?:[-/][a-z0-9]++)+")
_GLUE = str.maketrans("", "", "-/")


def _table(kept: str, dropped: str) -> dict[int, str]:
    """Return a table that turns ASCII punctuation and control characters into spaces."""
    table = {code: " " for code in range(128) if not chr(code).isalnum() and chr(code) not in kept}
    table.update({ord(char): "" for char in dropped})
    return table


_PUNCTUATION = _table(_KEPT, _APOSTROPHES)
_REST = _table("", "")
_TEXT_PUNCTUATION = _table("./-", _APOSTROPHES)
_CONTROLS = {code: " " for code in (*range(32), 127)}


def to_ascii(text: str) -> str:
    """Return the text in lower-case ASCII, punctuation kept, control characters as spaces.

    HTML entities are resolved, other scripts transliterated (``Муромский`` to ``muromskiy``, ``中文`` to
    ``zhongwen``), compatibility forms (full width, ligatures, superscripts) and accents unified. That is what
    NFKC would do, but its time grows with the square of a run of accents, and this must not hang.
    """
    if "&" in text and ";" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = anyascii(text.translate(_MARKS))
    text = text.lower().translate(_CONTROLS)
    return _POSSESSIVE.sub("", text) if " '" in text else text


def ascii_words(text: str) -> str:
    """Return the words of a text that :func:`to_ascii` made, single spaces between them.

    Dotted initials are joined (``s.p.a.`` to ``spa``), apostrophes dropped (``macy's`` to ``macys``), ``&``
    and ``+`` between words read as ``and``, ``+`` at the end of a word as ``plus``, all other punctuation as a space.
    """
    text = text.translate(_PUNCTUATION)
    if "." in text:
        text = _INITIALS.sub(_joined, text)
    if "/" in text:
        text = _SLASHED_FORM.sub(r"\1\2", text)
    if "&" in text or "+" in text:
        text = _AND.sub(" and ", _PLUS_AT_END.sub(" plus ", text))
    return " ".join(text.translate(_REST).split())


def _joined(match: re.Match[str]) -> str:
    return match.group().replace(".", "").replace(" ", "") + " "


def normalize_words(text: str) -> str:
    """Return the ASCII lower-case words of a name, single spaces between them; "" only for blank text.

    A text of nothing but punctuation keeps it, so that two such values still differ.
    """
    ascii_text = to_ascii(text)
    return ascii_words(ascii_text) or _remains(ascii_text, text)


def normalize_text(text: str) -> str:
    """Return the ASCII lower-case words and numbers of a title or description, single spaces between them.

    Numbers keep their decimal point (``10.1``) and lose thousands separators (``1,299`` to ``1299``). A code
    whose parts are joined by ``-`` or ``/`` becomes one word where it mixes letters and digits (``DSC-W55``
    to ``dscw55``), since the two spellings of a model number are the commonest difference between shops;
    words of letters alone are split (``geometry-based`` to ``geometry based``).
    """
    ascii_text = to_ascii(text)
    result = _THOUSANDS.sub("", ascii_text).translate(_TEXT_PUNCTUATION)
    result = _CODE.sub(_code, result)
    if "." in result:
        result = _DECIMAL.sub("\x00", result).replace(".", " ").replace("\x00", ".")
    return " ".join(result.replace("-", " ").replace("/", " ").split()) or _remains(ascii_text, text)


def _code(match: re.Match[str]) -> str:
    code = match.group()
    glued = code.translate(_GLUE)
    if glued.isalpha() or glued.isdigit() or len(glued) > 24:
        return code
    return glued


def _remains(ascii_text: str, text: str) -> str:
    """Return what to show of a text without any letter or digit; "" if nothing of it can be seen."""
    rest = "".join(ascii_text.split())
    if rest:
        return rest
    seen = (char for char in text if unicodedata.category(char) not in _INVISIBLE)
    return " ".join(f"u{ord(char):x}" for char in itertools.islice(seen, _SHOWN))
