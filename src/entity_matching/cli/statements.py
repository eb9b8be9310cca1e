"""SQL statements: what one does."""

from __future__ import annotations

import re

from entity_matching.errors import SettingsError

READING = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")
"""Words that a statement which only reads begins with."""
CHANGING = ("INSERT", "UPDATE", "DELETE", "MERGE")
"""Words that a statement which changes rows begins with."""
_WRITING = frozenset({*CHANGING, "CREATE", "DROP", "ALTER", "TRUNCATE", "REPLACE"})
"""Words that, outside of any parentheses, make a statement that begins with WITH or EXPLAIN a writing one."""
_TOKEN = re.compile(
    r"""(?P<skip>\s+ | --[^\n]* | /\*.*?\*/)
    | (?P<text>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*`)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)


def verb(statement: str) -> str:
    """Return the word that says what a statement does: ``SELECT``, ``INSERT``; of ``WITH ... INSERT`` the latter.

    :raises SettingsError: if there is no statement, or more than one.
    """
    depth, first, writes, ended = 0, "", "", False
    for token in _TOKEN.finditer(statement):
        if token.lastgroup == "skip":
            continue
        if ended:
            raise SettingsError("There is more than one statement.", remedy="Give one at a time.")
        text = token.group().upper()
        depth += {"(": 1, ")": -1}.get(text, 0)
        ended = text == ";"
        if token.lastgroup == "word":
            writes = writes or (text if first and depth == 0 and text in _WRITING else "")
            first = first or text
        elif not first and text not in "(;":
            first = text
    if not first:
        raise SettingsError("There is no statement.", remedy="For instance: SELECT * FROM gold.matched_entities")
    return (writes or first) if first in ("WITH", "EXPLAIN") else first
