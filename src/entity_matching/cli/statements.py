"""SQL statements: whether one only reads."""

from __future__ import annotations

import re

from entity_matching.errors import SettingsError

READING = ("SELECT", "WITH", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")
"""Words that a statement which only reads begins with."""
_WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "TRUNCATE", "REPLACE"})
"""Words that, outside of any parentheses, make a statement that begins with WITH or EXPLAIN a writing one."""
_TOKEN = re.compile(
    r"""(?P<skip>\s+ | --[^\n]* | /\*.*?\*/)
    | (?P<text>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*`)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)


def only_reads(statement: str) -> bool:
    """Say whether a statement only reads.

    :raises SettingsError: if there is no statement, or more than one.
    """
    depth, first, writes, ended = 0, "", False, False
    for token in _TOKEN.finditer(statement):
        if token.lastgroup == "skip":
            continue
        if ended:
            raise SettingsError("There is more than one statement.", remedy="Give one at a time.")
        text = token.group().upper()
        depth += {"(": 1, ")": -1}.get(text, 0)
        ended = text == ";"
        if token.lastgroup == "word":
            writes = writes or (bool(first) and depth == 0 and text in _WRITING)
            first = first or text
        elif not first and text not in "(;":
            first = text
    if not first:
        raise SettingsError("There is no statement.", remedy="For instance: SELECT * FROM gold.matched_entities")
    return first in READING and not (first in ("WITH", "EXPLAIN") and writes)
